import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { cutOff, OFFLINE, withConsole } from "./support.ts";

const test = suite("the console's workstations in a browser");

/** Rows of `count` offline workstations that are attached to the project. */
async function addOffline(hub: TestHub, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => ({
    id: `ws_${ulid()}`,
    attachment: `projws_${ulid()}`,
    name: `machine ${index}`,
  }));
  await hub.database.transaction("test", async (sql) => {
    await sql`INSERT INTO workstations (id, organization_id, name)
      SELECT id, ${hub.organizationId}, name FROM jsonb_to_recordset(${sql.json(ids)}) AS r (id text, name text)`;
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      SELECT attachment, ${hub.projectId}, id FROM jsonb_to_recordset(${sql.json(ids)}) AS r (id text, attachment text)`;
  });
}

const joinWith = async (hub: TestHub, more: Record<string, unknown>) => {
  const machine = await hub.addWorkstation();
  const client = await hub.connect(machine.token);
  await client.request("presence.join", { channel: machine.channel, meta: meta(more) });
  return { ...machine, client };
};

browserTest(test, "finds workstations by name, status, agent and project, and clears the filters at Esc", () =>
  withHub({}, async (hub) => {
    await addOffline(hub, 5);
    await joinWith(hub, { status: "busy", availableAgents: ["cursor"], currentTaskCount: 2, devServerPort: 5173 });
    await joinWith(hub, { availableAgents: ["aider"] });
    await withConsole(hub, async (page) => {
      const shown = () => page.locator(".workstation").count();
      await until("all are shown", async () => (await shown()) === 8);
      await page.keyboard.press("/");
      await page.keyboard.type("machine 3");
      await until("one is left", async () => (await shown()) === 1);
      await page.keyboard.press("Escape");
      await until("all are shown", async () => (await shown()) === 8);
      await page.click(".chip[data-status=busy]");
      await until("the busy one is left", async () => (await shown()) === 1);
      is(await page.textContent(".workstation .tasks"), "2 tasks");
      is(await page.textContent(".workstation .dev"), "dev :5173");
      await page.click("text=Clear");
      await page.selectOption("[aria-label=Agent]", "aider");
      await until("the one with the agent is left", async () => (await shown()) === 1);
      is(await page.textContent(".workstation .tag"), "aider");
      await page.click("text=Clear");
      await page.selectOption("[aria-label=Project]", hub.projectId);
      await until("all of the project are shown", async () => (await shown()) === 8);
      is(new URL(page.url()).hash, `#/workstations/${hub.projectId}`, "the address leads to the project");
      await page.goBack();
      is(await page.inputValue("[aria-label=Project]"), "");
    });
  }),
);

browserTest(test, "keeps the focus on its line while lines above it change", () =>
  withHub({}, async (hub) => {
    await addOffline(hub, 3);
    const { client, channel, id } = await joinWith(hub, {});
    await hub.database.transaction("test", (sql) => sql`UPDATE workstations SET name = 'zebra' WHERE id = ${id}`);
    await withConsole(hub, async (page) => {
      const line = page.locator(".line:has(h3:text-is('machine 1'))");
      await page.waitForSelector(".workstation[data-status=online]");
      await line.focus();
      const before = Number(await line.getAttribute("aria-rowindex"));
      await client.request("presence.leave", { channel });
      await until("it moved up", async () => Number(await line.getAttribute("aria-rowindex")) < before);
      is(await line.evaluate((shown) => document.activeElement === shown), true);
      await page.keyboard.press("ArrowDown");
      await page.waitForSelector(".line:has(h3:text-is('machine 2')):focus");
    });
  }),
);

browserTest(test, "shows by keyboard why a workstation is offline", () =>
  withHub({}, async (hub) => {
    const { client, channel, id } = await joinWith(hub, {});
    await withConsole(hub, async (page) => {
      await page.waitForSelector(`[data-workstation=${id}][data-status=online]`);
      await client.request("presence.leave", { channel });
      await page.waitForSelector(`[data-workstation=${id}][data-status=offline]`);
      await page.waitForSelector(`[data-workstation=${id}] .agents[data-last-known] >> text=claude-code`);
      await hub.writeBackSettled();
      await page.focus(`.line:has([data-workstation=${id}])`);
      await page.keyboard.press("Enter");
      await page.waitForSelector(`.line:has([data-workstation=${id}]) .transitions >> text=disconnected on purpose`);
      is(await page.getAttribute(`[data-workstation=${id}] button`, "aria-expanded"), "true");
      await page.keyboard.press("?");
      await page.waitForSelector("dialog[open] >> text=search");
      await page.keyboard.press("Escape");
      await page.waitForSelector("dialog[open]", { state: "detached" });
    });
  }),
);

browserTest(test, "shows the last known workstations while disconnected, with a banner", () =>
  withHub({}, async (hub) => {
    await joinWith(hub, {});
    await withConsole(
      hub,
      async (page) => {
        await page.waitForSelector(".workstation[data-status=online]");
        await page.waitForSelector("#connection:has-text('ms')");
        await cutOff(hub, page, async () => {
          await page.waitForSelector(".banner >> text=last known");
          is(await page.locator(".workstation[data-status=online]").count(), 1);
          await page.click("nav >> text=Channels");
          await page.click("nav >> text=Workstations");
          await page.waitForSelector(".workstation[data-status=online]");
        });
        await page.waitForSelector("#connection[data-state=connected]");
        await page.waitForSelector(".banner", { state: "detached" });
      },
      OFFLINE,
    );
  }),
);

for (const [width, colorScheme] of [
  [360, "light"],
  [1280, "dark"],
] as const) {
  browserTest(test, `fits ${width} pixels in the ${colorScheme} theme, with a name for every control`, () =>
    withHub({}, async (hub) => {
      await joinWith(hub, { availableAgents: ["claude-code", "cursor", "aider"], devServerPort: 5173 });
      await hub.database.transaction(
        "test",
        (sql) => sql`UPDATE projects SET name = ${"A project by a long name ".repeat(4)}`,
      );
      await withConsole(hub, async (page) => {
        await page.setViewportSize({ width, height: 740 });
        await page.emulateMedia({ colorScheme });
        await page.waitForSelector(".workstation[data-status=online]");
        is(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
        const nameless = await page.evaluate(() =>
          [...document.querySelectorAll("button, input, select, a")]
            .filter((control) => !control.textContent?.trim() && !control.getAttribute("aria-label"))
            .map(({ outerHTML }) => outerHTML),
        );
        equal(nameless, []);
        is(await page.isVisible(".workstation[data-status=online] .dev"), true);
        const snapshot = await page.locator("[role=table]").ariaSnapshot();
        for (const words of [
          'columnheader "Running tasks"',
          'cell "claude-code cursor aider"',
          'cell "dev :5173"',
          'button "Details of Machine"',
        ])
          ok(snapshot.includes(words), snapshot);
      });
    }),
  );
}

test.run();
