import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { equal, is, match, ok } from "uvu/assert";
import { createAnsweringServer } from "../../hub/http/answering-server.ts";
import { Pages } from "../../hub/http/pages.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the console's files");
const BROKEN = "export const broken = ;";
const RETRY_MS = 300;

interface Site {
  /** Responses of the console, which is built from this folder. */
  get(path: string): Promise<Response>;
  write(file: string, text: string): void;
  /** Errors that were logged. */
  logged: string[];
}

async function withPages(body: (site: Site) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "console-"));
  const logged: string[] = [];
  const log = pino({ level: "error" }, { write: (line: string) => void logged.push(line) });
  symlinkSync(join(import.meta.dirname, "..", "..", "node_modules"), join(folder, "node_modules"));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write("index.html", "<p>console</p>");
  write("console.css", "p { color: green }");
  write("main.tsx", BROKEN);
  const pages = new Pages({ folder, retryMs: RETRY_MS, log });
  const server = createAnsweringServer({ keepAliveMs: 1_000 }, log, async (request, response) => {
    if (!(await pages.serve(request, new URL(request.url ?? "/", "http://hub"), response)))
      response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: "close" } });
  try {
    await body({ get, write, logged });
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const builds = ({ logged }: Site) =>
  logged.filter((line) => line.includes("the next request after some seconds")).length;

test("a failed build is a temporary error, and the console is served once its sources can be built", () =>
  withPages(async (site) => {
    const failed = await site.get("/console.js");
    equal([failed.status, failed.headers.get("retry-after")], [503, "1"]);
    match(((await failed.json()) as { message: string }).message, /console could not be built.*Try again/);
    match(site.logged.join(""), 'Unexpected \\";\\"');
    site.write("main.tsx", "document.title = 'mended';");
    await until("it is built", async () => (await site.get("/console.js")).status === 200);
    match(await (await site.get("/console.js")).text(), "mended");
    is(await (await site.get("/")).text(), "<p>console</p>");
    site.write("main.tsx", BROKEN);
    is((await site.get("/console.js")).status, 200, "the built files stay");
  }));

test("a failed build is not repeated for each request", () =>
  withPages(async (site) => {
    const startedAt = performance.now();
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(["/", "/console.css", "/console.js", "/"].map((path) => site.get(path)));
      equal(new Set(answers.map(({ status }) => status)), new Set([503]));
    }
    const most = 1 + (performance.now() - startedAt) / RETRY_MS;
    ok(builds(site) >= 1 && builds(site) <= most, `${builds(site)} builds, at most ${most}`);
  }));

test("an address without a page is not found, whether the console can be built or not", () =>
  withPages(async (site) => {
    is((await site.get("/nothing")).status, 404);
    is(builds(site), 0, "nothing was built for it");
  }));

test.run();
