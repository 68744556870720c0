import { type Browser, chromium, type Page } from "playwright-core";
import { CHROMIUM } from "./needs.ts";
import type { suite } from "./suite.ts";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const LIMIT_MS = 60_000;

/** Runs `body` with a real Chromium, and closes it. */
export async function withBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

/** Errors in the page, in order. */
export function faultsOf(page: Page): string[] {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => void (message.type() === "error" && faults.push(message.text())));
  return faults;
}

/** A test that needs Chromium. */
export function browserTest(test: ReturnType<typeof suite>, behaviour: string, body: () => Promise<void>): void {
  test.needing("chromium")(behaviour, body, LIMIT_MS);
}
