import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { equal, is, match } from "uvu/assert";
import { bundleBrowser, bundleCli } from "../../scripts/build-sdk/bundles.ts";
import { withSite } from "../package/support/site.ts";
import { browserTest, faultsOf, withBrowser } from "../support/browser.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { fencedBlock } from "./support/fenced.ts";
import { bundled } from "./support/program.ts";

const test = suite("examples of the SDK's README, in pages and in a shell");
const README = "client-sdk/README.md";
const WITHIN = { timeout: 10_000 };

async function withFolder<Result>(body: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "readme-"));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A page at an origin that the hub allows, with these files. */
function withPage(files: Record<string, string>, body: (hub: TestHub, page: Page) => Promise<void>): Promise<void> {
  return withFolder((folder) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return withSite(folder, (origin) =>
      withHub({ env: { ALLOWED_ORIGINS: origin } }, (hub) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage();
          const faults = faultsOf(page);
          await supply(page, hub);
          await page.goto(`${origin}/page.html`);
          await body(hub, page);
          equal(faults, []);
        }),
      ),
    );
  });
}

/** The names that the examples use. */
async function supply(page: Page, { url, projectId, userToken }: TestHub): Promise<void> {
  await page.addInitScript(`Object.assign(window, ${JSON.stringify({ hubUrl: url, projectId })});
    window.fetchAccessToken = async () => ${JSON.stringify(userToken)};`);
}

/** Waits for an item of the page's list with this text. */
async function itemSays(page: Page, text: string): Promise<void> {
  await page.waitForSelector(`li:has-text("${text}")`, WITHIN);
}

async function present(hub: TestHub, status: string): Promise<void> {
  const machine = await hub.connect(hub.workstation.token);
  await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta({ status }) });
}

browserTest(test, "show workstations in a page with a plain script tag", async () => {
  const example = fencedBlock(README, "html", "<script");
  const bundle = await withFolder(async (folder) => {
    await bundleBrowser(folder);
    return readFileSync(join(folder, "monster-realtime.min.js"), "utf8");
  });
  const html = example.replace(/<script src="[^"]+"/, '<script src="bundle.js"');
  await withPage({ "page.html": html, "bundle.js": bundle }, async (hub, page) => {
    await present(hub, "busy");
    await itemSays(page, `workstation:${hub.workstation.id}: busy`);
  });
});

/** The names that the React example uses. */
const PRELUDE = `
  import { createClient } from "@monster-realtime/client";
  const client = createClient({ url: hubUrl, token: fetchAccessToken });
  const root = document.getElementById("root");
`;

browserTest(test, "show workstations and tasks in React", async () => {
  const script = await bundled(PRELUDE + fencedBlock(README, "tsx", "usePresence"), "tsx", "browser");
  const html = '<div id="root"></div><script type="module" src="app.js"></script>';
  await withPage({ "page.html": html, "app.js": script }, async (hub, page) => {
    await page.waitForSelector("h1:has-text('1 tasks')", WITHIN);
    await present(hub, "busy");
    await itemSays(page, "busy");
    const owner = await hub.connect(hub.userToken);
    await owner.request("rpc", { method: "tasks.create", params: { projectId: hub.projectId, title: "Another" } });
    await page.waitForSelector("h1:has-text('2 tasks')", WITHIN);
    is(await page.getAttribute("section", "aria-busy"), "false");
  });
});

interface Shell {
  failed: Error | null;
  stdout: string;
  stderr: string;
}

/** Runs a script as a person would type it, in `folder`, which has its programs and its home. */
function shell(script: string, folder: string, names: Record<string, string>): Promise<Shell> {
  const home = join(folder, "home");
  const env = { PATH: `${folder}:${process.env.PATH}`, HOME: home, XDG_CONFIG_HOME: home, ...names };
  return new Promise((resolve) => {
    execFile("bash", ["-c", script], { cwd: folder, env }, (failed, stdout, stderr) =>
      resolve({ failed, stdout, stderr }),
    );
  });
}

test("work on the command line, one after the other", () =>
  withFolder((folder) =>
    withHub({}, async (hub) => {
      await bundleCli(join(folder, "cli"));
      const program = `#!/bin/sh\nexec "${process.execPath}" "${join(folder, "cli", "main.js")}" "$@"\n`;
      writeFileSync(join(folder, "monster-realtime"), program, { mode: 0o755 });
      writeFileSync(join(folder, "token.txt"), hub.userToken);
      await present(hub, "online");
      const script = `set -ex\n${fencedBlock(README, "sh", "monster-realtime context add")}`;
      const names = { HUB_URL: hub.url, TASK_ID: hub.taskId, PROJECT_ID: hub.projectId };
      const { failed, stdout, stderr } = await shell(script, folder, names);
      is(failed, null, stderr);
      match(stdout, /^ok\tname\t/m);
      match(stdout, /note\t.*\{"text":"hello"\}/);
      match(stdout, new RegExp(`workstation:${hub.workstation.id}`));
      match(stdout, /"title":"Task"/);
    }),
  ));

test.run();
