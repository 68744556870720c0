import type { Page } from "playwright-core";
import { equal } from "uvu/assert";
import { faultsOf, withBrowser } from "../support/browser.ts";
import type { TestHub } from "../support/hub.ts";

/** Chromium logs failed connections to the console while the page is offline. */
export const OFFLINE = /ERR_INTERNET_DISCONNECTED/;

/** The console, signed in as the owner. Fails on faults of the page, except those that match `expected`. */
export async function withConsole(hub: TestHub, body: (page: Page) => Promise<void>, expected = /^$/): Promise<void> {
  await withBrowser(async (browser) => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const faults = faultsOf(page);
    await page.goto(`${hub.url}/#token=${hub.userToken}`);
    await page.waitForSelector("#connection[data-state=connected]");
    await body(page);
    equal(
      faults.filter((fault) => !expected.test(fault)),
      [],
    );
  });
}

/** Disconnects the page from the hub while `body` runs. */
export async function cutOff(hub: TestHub, page: Page, body: () => Promise<void>): Promise<void> {
  await page.context().setOffline(true);
  const { liveConnections, nodeId } = hub.node.hub;
  const { items } = await liveConnections.list({ view: { kind: "all" }, after: null, limit: 50 });
  for (const { connection } of items)
    if (connection.client?.startsWith("console/"))
      await liveConnections.end({ id: connection.id, nodeId, reason: null });
  await page.waitForSelector("#connection[data-state=waiting]");
  await body();
  await page.context().setOffline(false);
}
