import type { Page } from "playwright-core";
import { equal, is } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { cutOff, OFFLINE, withConsole } from "./support.ts";

const test = suite("the console's channel inspector in a browser");

const withInspector = (hub: TestHub, body: (page: Page) => Promise<void>, expected?: RegExp) =>
  withConsole(
    hub,
    async (page) => {
      await page.click("nav >> text=Channels");
      await body(page);
    },
    expected,
  );

async function watch(page: Page, channel: string): Promise<void> {
  await page.fill("#channel", channel);
  await page.click("text=Watch");
}

const offsets = (page: Page) => page.locator(".publication .offset").allTextContents();

browserTest(test, "shows history and new publications, opens payloads, filters, and pauses", () =>
  withHub({}, async (hub) => {
    const publisher = await hub.connect(hub.userToken);
    const publish = (type: string, payload: unknown) =>
      publisher.request("publish", { channel: hub.taskChannel, type, payload });
    await publish("note", { text: "before" });
    await withInspector(hub, async (page) => {
      await watch(page, hub.taskChannel);
      await page.waitForSelector(".publication >> text=before");
      await publish("other", { deep: { list: [1, 2] } });
      await page.waitForSelector(".publication[data-type=other]");
      equal(await offsets(page), ["2", "1"]);
      await page.click(".publication[data-type=other] button");
      await page.waitForSelector(".publication-details >> text=deep");
      await page.click("text=Who received it?");
      await page.waitForSelector(`.trace >> text=${hub.userId}`);
      await page.fill("[aria-label='Types, as a glob']", "no*");
      await until("one is left", async () => (await offsets(page)).join() === "1");
      await page.fill("[aria-label='Types, as a glob']", "");
      await page.click("text=Pause");
      await publish("note", { text: "held" });
      await page.waitForSelector("text=Resume (1 new)");
      is((await offsets(page)).length, 2);
      await page.click("text=Resume (1 new)");
      await page.waitForSelector(".publication >> text=held");
    });
  }),
);

browserTest(test, "publishes JSON, and shows invalid JSON and refusals of the hub", () =>
  withHub({}, (hub) =>
    withInspector(hub, async (page) => {
      await watch(page, hub.taskChannel);
      await page.click(".publish summary");
      await page.fill(".publish textarea", '{ "text": ');
      await page.waitForSelector(".publish >> text=The payload is not JSON");
      is(await page.isDisabled(".publish button"), true);
      await page.fill(".publish textarea", '{ "text": "from the page" }');
      await page.click(".publish button");
      await page.waitForSelector(".publish >> text=Published at offset 1.");
      await page.waitForSelector(".publication >> text=from the page");
      await page.fill(".publish input:not([type])", "task:assign");
      await page.click(".publish button");
      await page.waitForSelector(".publish p >> text=no permission");
    }),
  ),
);

browserTest(test, "shows the members present, and rejects unknown and forbidden channels", () =>
  withHub({}, async (hub) => {
    const machine = await hub.connect(hub.workstation.token);
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    const other = await hub.otherTenant();
    await withInspector(hub, async (page) => {
      await watch(page, hub.workstation.channel);
      await page.waitForSelector(`.roster >> text=workstation:${hub.workstation.id}`, { state: "attached" });
      await watch(page, `task:${other.taskId}`);
      await page.waitForSelector("#problem >> text=no permission");
      await watch(page, "nonsense");
      await page.waitForSelector("#problem >> text=This is not a channel name");
    });
  }),
);

browserTest(test, "shows a gap if the hub could not recover missed publications", () =>
  withHub({ env: { HISTORY_SIZE: "2" } }, async (hub) => {
    const publisher = await hub.connect(hub.userToken);
    const publish = () => publisher.request("publish", { channel: hub.taskChannel, type: "note", payload: {} });
    await publish();
    await withInspector(
      hub,
      async (page) => {
        await watch(page, hub.taskChannel);
        await page.waitForSelector(".publication");
        await cutOff(hub, page, async () => {
          for (let n = 0; n < 5; n += 1) await publish();
        });
        await page.waitForSelector(".gap.lost");
      },
      OFFLINE,
    );
  }),
);

test.run();
