import { createHash, randomBytes } from "node:crypto";
import type { Page } from "playwright-core";
import { ulid } from "ulid";
import { is, ok } from "uvu/assert";
import { UpdateLoad } from "../../scripts/bench/load/update-load.ts";
import { browserTest } from "../support/browser.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withConsole } from "./support.ts";

const test = suite("the console with two thousand workstations");
const MANY = 2_000;
const LIVE = 400;
const UPDATES_PER_SECOND = 200;
const SCROLLING_MS = 3_000;
/** The longest allowed task of the page, on a machine shared with the hub, the database and the workstations. */
const LONGEST_TASK_MS = 250;

/** Rows of `count` workstations that are attached to the project. */
async function addWorkstations(hub: TestHub, count: number): Promise<{ id: string; token: string }[]> {
  const machines = Array.from({ length: count }, (_, index) => {
    const token = `wst_${randomBytes(32).toString("base64url")}`;
    const digest = createHash("sha256").update(token).digest("hex");
    return { id: `ws_${ulid()}`, attachment: `projws_${ulid()}`, name: `machine ${index}`, token, digest };
  });
  const rows = machines.map(({ token: _, ...row }) => row);
  await hub.database.transaction("test", async (sql) => {
    await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      SELECT id, ${hub.organizationId}, name, digest
      FROM jsonb_to_recordset(${sql.json(rows)}) AS r (id text, name text, digest text)`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      SELECT attachment, ${hub.projectId}, id FROM jsonb_to_recordset(${sql.json(rows)}) AS r (id text, attachment text)`;
  });
  return machines;
}

/** Starts a measurement. The returned function gives the longest task since then, in milliseconds. */
async function longestTask(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const durations: number[] = [];
    Object.assign(globalThis, { durations });
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) durations.push(duration);
    }).observe({ entryTypes: ["longtask"] });
  });
  return () => page.evaluate(() => Math.max(0, ...(globalThis as unknown as { durations: number[] }).durations));
}
const LAST = `.line[aria-rowindex="${MANY + 3}"]`;

browserTest(test, "scrolls from end to end by keyboard, with few of them rendered", () =>
  withHub({}, async (hub) => {
    await addWorkstations(hub, MANY);
    await withConsole(hub, async (page) => {
      await page.waitForSelector(`[role=table][aria-rowcount="${MANY + 3}"]`);
      const longest = await longestTask(page);
      await page.focus(".line[tabindex='0']");
      for (let press = 0; press < 30; press += 1) await page.keyboard.press("PageDown");
      await page.keyboard.press("End");
      await page.waitForSelector(`${LAST}:focus`);
      ok((await page.locator(".workstation").count()) < 80);
      // After scrolling by wheel, the keyboard continues at the active line.
      await page.evaluate(() => scrollTo(0, 0));
      await page.waitForSelector(".line[aria-rowindex='2']");
      is(await page.locator(`${LAST}:focus`).count(), 1);
      await page.keyboard.press("ArrowUp");
      await page.waitForSelector(`.line[aria-rowindex="${MANY + 2}"]:focus`);
      await page.keyboard.press("Home");
      await page.waitForSelector(".line[aria-rowindex='2']:focus");
      const milliseconds = await longest();
      ok(milliseconds < LONGEST_TASK_MS, `a task of ${milliseconds} ms`);
    });
  }),
);

browserTest(
  test,
  `stays smooth while ${UPDATES_PER_SECOND} of them change each second, and finally shows their last meta`,
  () =>
    withHub({}, async (hub) => {
      const machines = (await addWorkstations(hub, MANY)).slice(0, LIVE);
      const load = new UpdateLoad("127.0.0.1");
      await load.connect({ url: hub.url, workstations: machines });
      await withConsole(hub, async (page) => {
        await until("all that are live are shown as such", async () => (await liveShown(page)) === LIVE);
        const longest = await longestTask(page);
        const updates = load.run({ perSecond: UPDATES_PER_SECOND, durationMs: SCROLLING_MS });
        const until3s = performance.now() + SCROLLING_MS;
        while (performance.now() < until3s) await page.mouse.wheel(0, 400);
        const { finalCounts } = await updates;
        const milliseconds = await longest();
        ok(milliseconds < LONGEST_TASK_MS, `a task of ${milliseconds} ms`);
        await page.fill("input[type=search]", "machine 7");
        const shown = page.locator(`.line:has([data-workstation=${machines[7]?.id}]) .tasks`);
        await until(
          "the last meta of one of them",
          async () => (await shown.textContent()) === `${finalCounts[7]} tasks`,
        );
      });
    }),
);

async function liveShown(page: Page): Promise<number> {
  const counts = await page.locator(".chip[data-status=online] b, .chip[data-status=busy] b").allTextContents();
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

test.run();
