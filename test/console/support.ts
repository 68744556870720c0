import type { Page } from "playwright-core";
import { equal } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
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
  for (const connection of hub.node.hub.connections)
    if (connection.program?.startsWith("console/"))
      connection.end(new HubError("unavailable", "Disconnected by the test.", { retryAfterMs: 1_000 }));
  await page.waitForSelector("#connection[data-state=waiting]");
  await body();
  await page.context().setOffline(false);
}
