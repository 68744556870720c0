import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** Serves the files of a folder at a separate origin, like any web server. */
export async function withSite(folder: string, body: (origin: string) => Promise<void>): Promise<void> {
  const server = createServer(({ url = "/" }, response) => {
    const path = new URL(url, "http://site").pathname;
    const type = path.endsWith(".js") ? "text/javascript" : "text/html";
    const file = join(folder, path);
    if (!existsSync(file)) response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    else response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(readFileSync(file));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}
