import { ulid } from "ulid";
import { equal, is } from "uvu/assert";
import { browserTest, faultsOf, withBrowser } from "../support/browser.ts";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("live presence page");
const behaviours: [string, () => Promise<void>][] = [
  [
    "shows workstations join, work, disconnect and return, named by their rows",
    () =>
      withHub({}, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          const faults = faultsOf(page);
          await page.goto(`${hub.url}/#token=${hub.userToken}`);
          const card = (status: string) =>
            page.waitForSelector(`.workstation[data-status=${status}]`, { timeout: 10_000 });
          await card("offline");
          const machine = await hub.connect(hub.workstation.token);
          await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
          await card("online");
          is(await page.textContent(".workstation h3"), "Machine");
          await machine.request("presence.update", {
            channel: hub.workstation.channel,
            meta: meta({ status: "busy", currentTaskCount: 2 }),
          });
          await card("busy");
          machine.cut();
          await card("suspect");
          const back = await hub.connect(hub.workstation.token);
          await back.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
          await card("online");
          back.close();
          await card("offline");
          equal(faults, []);
        }),
      ),
  ],
  [
    "moves a task's card with the task, names its agent, and never reloads the page",
    () =>
      withHub({}, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          const faults = faultsOf(page);
          await page.goto(`${hub.url}/#token=${hub.userToken}`);
          await page.click("nav >> text=Tasks");
          const card = (list: string, text: string) =>
            page.waitForSelector(`.column[data-list=${list}] .task:has-text("${text}")`, { timeout: 10_000 });
          await card("todo", "Task");
          const owner = await hub.connect(hub.userToken);
          const rpc = (method: string, params: object) => owner.request("rpc", { method, params });
          for (const list of ["doing", "review", "done", "loop", "todo"]) {
            await rpc("tasks.move", { id: hub.taskId, list });
            await card(list, "Task");
          }
          const other = { projectId: hub.projectId, title: "Other", priority: 5 };
          const { id } = (await rpc("tasks.create", other)) as { id: string };
          await page.waitForSelector(".column[data-list=todo] [data-index='0'] .task:has-text('Other')");
          await rpc("tasks.delete", { id });
          await page.waitForSelector(".task:has-text('Other')", { state: "detached" });

          // A change of a task unknown to the page makes it load the board again.
          const unknown = `task_${ulid()}`;
          await hub.database.transaction("test", async (sql) => {
            await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
            await sql`INSERT INTO tasks (id, project_id, title) VALUES (${unknown}, ${hub.projectId}, 'Unknown')`;
          });
          await rpc("tasks.update", { id: unknown, set: { priority: 4 } });
          await card("todo", "Unknown");

          const machine = await hub.connect(hub.workstation.token);
          await machine.request("rpc", {
            method: "agents.report",
            params: { agents: [{ type: "custom", name: "Coder" }] },
          });
          await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
          await hub.writeBackSettled();
          await rpc("tasks.setReady", { id: hub.taskId, ready: true });
          await until("it is assigned", () => rpc("tasks.assign", { id: hub.taskId }));
          await card("todo", "Machine · Coder");
          equal(faults, []);
        }),
      ),
  ],
  [
    "reports an invalid token and accepts another",
    () =>
      withHub({}, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          await page.goto(`${hub.url}/#token=svc_wrong`);
          await page.waitForSelector("#problem");
          await page.fill("#token", hub.userToken);
          await page.click("button");
          await page.waitForSelector("#connection[data-state=connected]");
          await page.waitForSelector(".workstation");
          is(await page.isVisible("#problem"), false);
          is(new URL(page.url()).hash, "#/workstations");
        }),
      ),
  ],
];

for (const [behaviour, body] of behaviours) browserTest(test, behaviour, body);

test.run();
