import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { ok } from "uvu/assert";
import { ServerProcess } from "../../scripts/bench/servers/server-process.ts";
import { suite } from "../support/suite.ts";

const test = suite("the time for which a server works without a break");
const MODULE = join(import.meta.dirname, "support/busy-server.ts");
const BUSY_MS = 80;

async function measured(cause: (server: ServerProcess) => Promise<unknown>): Promise<void> {
  const environment = { FRAME_TIMES: "on", BUSY_MS: String(BUSY_MS) };
  const server = await ServerProcess.start({ module: MODULE, readyPath: "/", environment });
  try {
    await server.resetStall();
    await cause(server);
    const frameMs = await server.frameMs();
    ok(frameMs >= BUSY_MS, `${frameMs} ms of ${BUSY_MS}`);
  } finally {
    await server.stop();
  }
}

for (const [path, place] of [
  ["/request", "a request's listener"],
  ["/immediate", "the callback of setImmediate"],
  ["/timer", "the callback of a timer"],
]) {
  test(`includes ${place}`, () => measured(async ({ url }) => (await fetch(`${url}${path}`)).text()));
}

test("includes the reader of an upgraded connection", () =>
  measured(async ({ url }) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n");
    await once(socket, "data");
    socket.write("bytes");
    await once(socket, "data");
    socket.destroy();
  }));

test.run();
