import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { memoized } from "../kernel/memoized.ts";
import { allow, READS } from "./methods.ts";
import { send } from "./responses.ts";

const FOLDER = join(import.meta.dirname, "..", "console");
const SHARED_STYLES = "console.css";
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
};

/** How long a failed build is the answer before the next request builds again. */
const RETRY_MS = 5_000;

export interface PagesOptions {
  /** The console's sources. */
  folder?: string;
  retryMs?: number;
  log: Logger;
}

type Build = (folder: string) => Promise<string>;

const PAGES: ReadonlyMap<string, { contentType: string; build: Build }> = new Map([
  ["/", { contentType: "text/html; charset=utf-8", build: (folder) => readFile(join(folder, "index.html"), "utf8") }],
  ["/console.css", { contentType: "text/css; charset=utf-8", build: styles }],
  ["/console.js", { contentType: "text/javascript; charset=utf-8", build: bundle }],
]);

/**
 * The console: built from its sources at the first request for one of its files, and served from memory. After a failed
 * build requests get `unavailable` for five seconds; then the next request builds again.
 */
export class Pages {
  readonly #built: () => Promise<ReadonlyMap<string, string>>;

  constructor({ folder = FOLDER, retryMs = RETRY_MS, log }: PagesOptions) {
    this.#built = memoized(() => buildPages(folder, retryMs, log), retryMs);
  }

  /** False if no page has this name. Throws if the method is not a reading one, and `unavailable`. */
  async serve(request: IncomingMessage, url: URL, response: ServerResponse): Promise<boolean> {
    const page = PAGES.get(url.pathname);
    if (!page) return false;
    allow(request, READS);
    send(response, 200, page.contentType, (await this.#built()).get(url.pathname) ?? "", HEADERS);
    return true;
  }
}

async function buildPages(folder: string, retryMs: number, log: Logger): Promise<ReadonlyMap<string, string>> {
  try {
    const built = [...PAGES].map(async ([name, { build }]) => [name, await build(folder)] as const);
    return new Map(await Promise.all(built));
  } catch (error) {
    log.error({ err: error }, "the console could not be built: the next request after some seconds builds it again");
    throw new HubError(
      "unavailable",
      "The console could not be built; the hub's log has the reason. Try again shortly.",
      {
        retryAfterMs: retryMs,
        cause: error,
      },
    );
  }
}

/** The design tokens and shared styles, then each view's own. */
async function styles(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true });
  const own = files.filter((file) => file.endsWith(".css") && file !== SHARED_STYLES).sort();
  const texts = await Promise.all([SHARED_STYLES, ...own].map((file) => readFile(join(folder, file), "utf8")));
  return texts.join("\n");
}

async function bundle(folder: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, "main.tsx")],
    // The hub's log has the errors.
    logLevel: "silent",
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
  });
  const [output] = outputFiles;
  if (!output) throw new Error("the console could not be bundled");
  return output.text;
}
