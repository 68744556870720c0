import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { equal, is } from "uvu/assert";
import { meta, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";

const test = suite("live presence page");
const CHROMIUM = "/usr/bin/chromium";
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

async function withBrowser(body: (browser: Browser) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

const behaviours: [string, () => Promise<void>][] = [
  [
    "shows workstations come, work, drop off and return, and names them by their rows",
    () =>
      withHub({}, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          const faults: string[] = [];
          page.on("pageerror", (error) => faults.push(error.message));
          page.on("console", (message) => void (message.type() === "error" && faults.push(message.text())));
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
    "tells a wrong token apart and takes another",
    () =>
      withHub({}, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          await page.goto(`${hub.url}/#token=svc_wrong`);
          await page.waitForSelector("#problem:not([hidden])");
          await page.fill("#token", hub.userToken);
          await page.click("button");
          await page.waitForSelector("#connection[data-state=connected]");
          await page.waitForSelector(".workstation");
          is(await page.isVisible("#problem"), false);
        }),
      ),
  ],
];

for (const [behaviour, body] of behaviours) {
  if (existsSync(CHROMIUM)) test(behaviour, body, LIMIT_MS);
  else test.skip(behaviour, `there is no ${CHROMIUM}`);
}

test.run();
