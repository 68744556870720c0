import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { allow, READS } from "./methods.ts";
import { send } from "./responses.ts";

const FOLDER = join(import.meta.dirname, "..", "console");
const SHARED_STYLES = "console.css";
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
};

interface Page {
  contentType: string;
  body: string;
}

/** The live presence view: built from its sources once, at the first call for it, and served from memory. */
export class Pages {
  #built: Promise<ReadonlyMap<string, Page>> | null = null;

  /** False where there is no page of this name. Throws where it is asked for by a method that does not read. */
  async serve(request: IncomingMessage, url: URL, response: ServerResponse): Promise<boolean> {
    this.#built ??= buildPages();
    const page = (await this.#built).get(url.pathname);
    if (!page) return false;
    allow(request, READS);
    send(response, 200, page.contentType, page.body, HEADERS);
    return true;
  }
}

async function buildPages(): Promise<ReadonlyMap<string, Page>> {
  const [html, css, script] = await Promise.all([readFile(join(FOLDER, "index.html"), "utf8"), styles(), bundle()]);
  return new Map([
    ["/", { contentType: "text/html; charset=utf-8", body: html }],
    ["/console.css", { contentType: "text/css; charset=utf-8", body: css }],
    ["/console.js", { contentType: "text/javascript; charset=utf-8", body: script }],
  ]);
}

/** The tokens and what all views share, then each view's own. */
async function styles(): Promise<string> {
  const files = await readdir(FOLDER, { recursive: true });
  const own = files.filter((file) => file.endsWith(".css") && file !== SHARED_STYLES).sort();
  const texts = await Promise.all([SHARED_STYLES, ...own].map((file) => readFile(join(FOLDER, file), "utf8")));
  return texts.join("\n");
}

async function bundle(): Promise<string> {
  const entry = join(FOLDER, "main.tsx");
  const { outputFiles } = await build({
    entryPoints: [entry],
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
