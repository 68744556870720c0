import type { Page } from "playwright-core";
import { is } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withConsole } from "./support.ts";

const test = suite("HTML in text fields, in the console");
/** Runs if it becomes part of the page as HTML. */
const HTML = `<img src=x class=hostile onerror="window.hostile=1"><svg class=hostile onload="window.hostile=1">`;

/** All texts of the organization that a view shows are HTML. */
async function fill(hub: TestHub): Promise<void> {
  const client = await hub.connect(hub.userToken);
  const update = (entity: string, id: string, set: object) =>
    client.request("rpc", { method: `${entity}.update`, params: { id, set } });
  await update("organizations", hub.organizationId, { name: HTML });
  await update("projects", hub.projectId, { name: HTML });
  await update("tasks", hub.taskId, { title: HTML, description: HTML });
  await update("workstations", hub.workstation.id, { name: HTML });
}

async function showsText(page: Page, view: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/${view}`);
  const text = () => page.evaluate(() => document.body.textContent ?? "");
  await until(`${view} shows the text`, async () => (await text()).includes("<img src=x class=hostile"));
  is(await page.locator(".hostile").count(), 0, view);
  is(await page.evaluate(() => "hostile" in window), false, view);
}

browserTest(test, "is shown as text, and never runs", () =>
  withHub({}, async (hub) => {
    await fill(hub);
    await withConsole(hub, async (page) => {
      for (const view of ["workstations", "tasks"]) await showsText(page, view);
    });
  }),
);

test.run();
