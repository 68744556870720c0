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

/** Chromium starts once for the browser tests of a file: its start takes longer than most of them. */
let running: Promise<Browser> | null = null;
/** The browser tests of this file that have not ended. */
let pending = 0;

/** Runs `body` with a real Chromium, and closes its pages. */
export async function withBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  running ??= launch();
  const browser = await running;
  try {
    await body(browser);
  } finally {
    await Promise.all(browser.contexts().map((context) => context.close()));
    if (pending === 0) await closeBrowser();
  }
}

async function launch(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  // One that crashed fails its test, not those after it.
  browser.once("disconnected", () => {
    running = null;
  });
  return browser;
}

async function closeBrowser(): Promise<void> {
  const closing = running;
  running = null;
  await (await closing)?.close();
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
  pending += 1;
  const once = async () => {
    try {
      await body();
    } finally {
      pending -= 1;
      if (pending === 0) await closeBrowser();
    }
  };
  test.needing("chromium")(behaviour, once, LIMIT_MS);
}
