import type { Page } from "playwright-core";
import { equal, is, match } from "uvu/assert";
import { boardOf, publicationsOn } from "../feed/support.ts";
import { browserTest } from "../support/browser.ts";
import { withHub } from "../support/hub.ts";
import { insertUnpublishableTask, makePublishable } from "../support/refused-change.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withConsole } from "./support.ts";

const test = suite("refused changes in the console");

const rowsOf = (page: Page) => page.locator(".refused-changes tbody tr");
const summary = (text: string) => `.refused-changes summary [role=status]:text-is("${text}")`;

browserTest(test, "an admin sees refused changes on every page and publishes them again", () =>
  withHub({}, async (hub) => {
    const [first, second] = [await insertUnpublishableTask(hub), await insertUnpublishableTask(hub)];
    const subscriber = await hub.connect(hub.serviceToken);
    await subscriber.request("subscribe", { channel: boardOf(hub) });
    const created = () => publicationsOn(subscriber, boardOf(hub)).filter(({ type }) => type === "task:created");
    await withConsole(hub, async (page) => {
      for (const view of ["Tasks", "Channels", "Workstations"]) {
        await page.click(`nav >> text=${view}`);
        await page.waitForSelector(summary("2 changes could not be published."));
      }
      await page.click(".refused-changes summary");
      equal(await rowsOf(page).locator("td:nth-child(3)").allTextContents(), [first.task, second.task]);
      match((await rowsOf(page).first().textContent()) ?? "", /tasks created.*the row cannot be shown/);

      await makePublishable(hub, first.task);
      await rowsOf(page).first().locator("text=Publish again").click();
      await page.waitForSelector(summary("1 change could not be published."));
      await until("the corrected row is published", () => created().length === 1);
      is(created()[0]?.payload.id, first.task);

      await rowsOf(page).first().locator("text=Publish again").click();
      await until("the row that was not corrected is refused again", async () => {
        const [row] = await hub.database.query(
          (sql) => sql<{ id: number }[]>`SELECT id::float8 AS id FROM feed_refused`,
        );
        return row !== undefined && row.id > second.id;
      });
      await page.waitForSelector(summary("1 change could not be published."));
      is(await rowsOf(page).locator("td:nth-child(3)").textContent(), second.task);
    });
  }),
);

browserTest(
  test,
  "a page publishes all refused changes again with one click, including those that another admin published",
  () =>
    withHub({}, async (hub) => {
      const tasks = [await insertUnpublishableTask(hub), await insertUnpublishableTask(hub)];
      await withConsole(hub, async (page) => {
        await page.click(summary("2 changes could not be published."));
        for (const { task } of tasks) await makePublishable(hub, task);
        const service = await hub.connect(hub.serviceToken);
        await service.request("rpc", { method: "feed.republish", params: { id: tasks[0]?.id } });
        await page.click("text=Publish all 2 again");
        await page.waitForSelector(".refused-changes", { state: "detached" });
      });
    }),
);

browserTest(test, "a workstation sees no refused changes", () =>
  withHub({}, async (hub) => {
    await insertUnpublishableTask(hub);
    await withConsole(hub, async (page) => {
      await page.waitForSelector(summary("1 change could not be published."));
      await page.click("text=Sign out");
      await page.fill("#token", hub.workstation.token);
      await page.keyboard.press("Enter");
      await page.waitForSelector(".principal >> text=Machine");
      is(await page.locator(".refused-changes").count(), 0);
    });
  }),
);

test.run();
