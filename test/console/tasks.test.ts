import type { Page } from "playwright-core";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withConsole } from "./support.ts";

const test = suite("the console's task board in a browser");
const MANY = 5_000;

const withBoard = (hub: TestHub, body: (page: Page) => Promise<void>) =>
  withConsole(hub, async (page) => {
    await page.click("nav >> text=Tasks");
    await page.waitForSelector(".task");
    await body(page);
  });

const titles = (page: Page, list: string) => page.locator(`.column[data-list=${list}] .task .title`).allTextContents();
const shows = (page: Page, list: string, expected: readonly string[]) =>
  until(`${list} shows ${expected}`, async () => (await titles(page, list)).join() === expected.join());

async function caller(hub: TestHub) {
  const client = await hub.connect(hub.userToken);
  return <Result>(method: string, params: object) => client.request("rpc", { method, params }) as Promise<Result>;
}

browserTest(test, "moves tasks by mouse and keyboard, visible to others", () =>
  withHub({}, async (hub) => {
    const rpc = await caller(hub);
    for (const title of ["A", "B"]) await rpc("tasks.create", { projectId: hub.projectId, title });
    await withBoard(hub, async (page) => {
      await shows(page, "todo", ["Task", "A", "B"]);
      await page.dragAndDrop(
        ".task:has(.title:text-is('B'))",
        ".column[data-list=todo] .task:has(.title:text-is('Task'))",
      );
      await shows(page, "todo", ["B", "Task", "A"]);
      await page.dragAndDrop(".task:has(.title:text-is('A'))", ".column[data-list=doing] .cards");
      await shows(page, "doing", ["A"]);
      await page.focus(".task:has(.title:text-is('B')) .title");
      await page.keyboard.press("Alt+ArrowDown");
      await shows(page, "todo", ["Task", "B"]);
      await page.focus(".task:has(.title:text-is('B')) .title");
      await page.keyboard.press("Alt+ArrowRight");
      await until("B is in doing too", async () => (await titles(page, "doing")).includes("B"));
      const { items } = await rpc<{ items: { title: string; list: string }[] }>("tasks.list", {
        projectId: hub.projectId,
      });
      equal(
        items
          .filter(({ list }) => list === "doing")
          .map(({ title }) => title)
          .sort(),
        ["A", "B"],
      );
    });
  }),
);

browserTest(test, "creates a task, shows why it can't be assigned, and assigns it when possible", () =>
  withHub({}, (hub) =>
    withBoard(hub, async (page) => {
      await page.keyboard.press("n");
      await page.keyboard.type("Made here");
      await page.keyboard.press("Enter");
      await page.click(".task .title:has-text('Made here')");
      await page.click("dialog >> text=Set ready");
      await page.click("dialog >> text=Assign now");
      await page.waitForSelector("dialog #problem");
      const machine = await hub.connect(hub.workstation.token);
      await machine.request("rpc", {
        method: "agents.report",
        params: { agents: [{ type: "custom", name: "Coder" }] },
      });
      await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
      await hub.writeBackSettled();
      await page.click("dialog >> text=Assign now");
      await page.waitForSelector("dialog >> text=Machine · Coder");
      await page.click("dialog >> text=Cancel the assignment");
      await page.waitForSelector("dialog >> text=Set ready");
    }),
  ),
);

browserTest(test, "reviews the agent's result, sends it back with feedback, and approves", () =>
  withHub({}, async (hub) => {
    const rpc = await caller(hub);
    const machine = await hub.connect(hub.workstation.token);
    const asMachine = (method: string, params: object) => machine.request("rpc", { method, params });
    await asMachine("agents.report", { agents: [{ type: "custom", name: "Coder" }] });
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    await hub.writeBackSettled();
    const runs = async (summary: string) => {
      await rpc("tasks.setReady", { id: hub.taskId, ready: true });
      const { id } = await until("it is assigned", () => rpc<{ id: string }>("tasks.assign", { id: hub.taskId }));
      await asMachine("agentSessions.start", { id });
      await asMachine("agentSessions.finish", { id, outcome: "completed", outputSummary: summary });
    };
    await runs("did the first half");
    await withBoard(hub, async (page) => {
      await shows(page, "review", ["Task"]);
      await page.click(".column[data-list=review] .title");
      await page.waitForSelector("dialog >> text=did the first half");
      is(await page.isDisabled("dialog >> text=Send back"), true);
      await page.fill("dialog textarea", "And the second half?");
      await page.click("dialog >> text=Send back");
      await shows(page, "review", []);
      await page.waitForSelector("dialog >> text=iterate");
      await page.keyboard.press("Escape");
      await runs("did both halves");
      await shows(page, "review", ["Task"]);
      await page.click(".column[data-list=review] .title");
      await page.waitForSelector("dialog >> text=did both halves");
      await page.click("dialog >> text=Approve");
      await shows(page, "done", ["Task"]);
    });
  }),
);

browserTest(test, `renders few cards of ${MANY} tasks, and follows their changes`, () =>
  withHub({}, async (hub) => {
    const tasks = Array.from({ length: MANY }, (_, index) => ({
      id: `task_${ulid()}`,
      title: `T${index}`,
      place: index + 10,
    }));
    await hub.database.transaction("test", async (sql) => {
      await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
      await sql`INSERT INTO tasks (id, project_id, title, list_order)
        SELECT id, ${hub.projectId}, title, place FROM jsonb_to_recordset(${sql.json(tasks)}) AS t (id text, title text, place numeric)`;
    });
    const rpc = await caller(hub);
    await withBoard(hub, async (page) => {
      await page.waitForSelector(`.column[data-list=todo] >> text=${MANY + 1}`);
      ok((await page.locator(".task").count()) < 60);
      await rpc("tasks.move", { id: tasks.at(-1)?.id, list: "doing" });
      await shows(page, "doing", [`T${MANY - 1}`]);
    });
  }),
);

test.run();
