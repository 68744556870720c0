import pino from "pino";
import { equal, is, match, not, ok } from "uvu/assert";
import { HubProcess, withFolder } from "../support/faults.ts";
import { withHub } from "../support/hub.ts";
import { freePort } from "../support/nginx.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("access to the metrics");
const TOKEN = "0123456789abcdef0123456789abcdef";
const LIMIT_MS = 60_000;

const statusOf = async (url: string, authorization?: string) =>
  (await fetch(url, { headers: authorization === undefined ? {} : { Authorization: authorization } })).status;

test("without a setting they are on the hub's port, without a token", () =>
  withHub({}, async (hub) => {
    const response = await fetch(`${hub.url}/metrics`);
    match(response.headers.get("content-type") ?? "", "text/plain");
    match(await response.text(), /^hub_connections 0$/m);
  }));

test("ends of connections are counted by the hub's error, or by how the client or the network ended them", () =>
  withHub({}, async (hub) => {
    const [left, cut, kicked] = await hub.connectAll(hub.userToken, hub.userToken, hub.workstation.token);
    left.close();
    cut.cut();
    const service = await hub.connect(hub.serviceToken);
    await service.request("rpc", { method: "connections.kick", params: { id: kicked.socket.id } });
    const ended = async () =>
      (await (await fetch(`${hub.url}/metrics`)).text()).match(/^hub_connections_ended_total.*$/gm);
    await until("all three have ended", async () => ((await ended()) ?? []).length === 3);
    equal((await ended())?.sort(), [
      'hub_connections_ended_total{reason="client_namespace_disconnect"} 1',
      'hub_connections_ended_total{reason="transport_close"} 1',
      'hub_connections_ended_total{reason="unavailable"} 1',
    ]);
  }));

test("scrapes at the same time share one text, and a later one is new", () =>
  withHub({}, async (hub) => {
    const text = async () => (await fetch(`${hub.url}/metrics`)).text();
    const texts = await Promise.all(Array.from({ length: 20 }, text));
    // Each text has the processor time until then.
    is(new Set(texts).size, 1);
    await until("a new text", async () => (await text()) !== texts[0]);
  }));

test("the size of the database and of its audit trail are among them", () =>
  withHub({}, async (hub) => {
    const text = await (await fetch(`${hub.url}/metrics`)).text();
    const size = (name: string) => Number(text.match(new RegExp(`^${name} (.*)$`, "m"))?.[1]);
    ok(size("hub_audit_bytes") > 0);
    ok(size("hub_database_bytes") > size("hub_audit_bytes"));
  }));

test("only the configured token grants access, and it is never logged", async () => {
  const lines: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  await withHub({ env: { METRICS_TOKEN: TOKEN }, log }, async (hub) => {
    const url = `${hub.url}/metrics`;
    for (const wrong of [
      undefined,
      "",
      "Bearer",
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(1)}`,
      TOKEN,
      `Basic ${TOKEN}`,
    ]) {
      is(await statusOf(url, wrong), 401, wrong);
    }
    is(await statusOf(`${url}?token=${TOKEN}`), 401);
    is(await statusOf(url, `Bearer ${hub.serviceToken}`), 401);
    is(await statusOf(url, `Bearer ${TOKEN}`), 200);
    is(await statusOf(`${hub.url}/readyz`), 200);
  });
  not.match(lines.join(""), TOKEN);
});

test("at a separate address they are no longer on the hub's, and nothing else is served there", async () => {
  const port = await freePort();
  await withHub({ env: { METRICS_PORT: String(port), METRICS_TOKEN: TOKEN, BASE_PATH: "/realtime" } }, async (hub) => {
    const { origin } = new URL(hub.url);
    for (const url of [`${hub.url}/metrics`, `${origin}/metrics`]) is(await statusOf(url, `Bearer ${TOKEN}`), 404);
    const own = `http://127.0.0.1:${port}`;
    is(await statusOf(`${own}/metrics`), 401);
    is(await statusOf(`${own}/metrics?x=1`, `Bearer ${TOKEN}`), 200);
    is((await fetch(`${own}/metrics`, { method: "POST" })).status, 405);
    for (const path of ["/", "/healthz", "/v1/rpc/tasks.get", "/metrics/"]) is(await statusOf(own + path), 404, path);
  });
  await until("it is closed with the hub", () =>
    fetch(`http://127.0.0.1:${port}/metrics`).then(
      () => false,
      () => true,
    ),
  );
});

test(
  "an address in use ends the start, and the message names the setting to change",
  () =>
    withHub({}, (other) =>
      withFolder(async (folder) => {
        const { port } = new URL(other.url);
        const hub = HubProcess.spawn(folder, { METRICS_PORT: port });
        try {
          is(await hub.exited, 1, hub.output);
          match(hub.output, `127.0.0.1:${port} is in use. Set METRICS_PORT, or METRICS_HOST, to another one`);
        } finally {
          await hub.stop();
        }
      }),
    ),
  LIMIT_MS,
);

test.needing("redis-server")(
  "of several processes the supervisor serves them, for all, also while processes are replaced",
  () =>
    withRedis((redis) =>
      withFolder(async (folder) => {
        const port = await freePort();
        const env = { WEB_CONCURRENCY: "2", REDIS_URL: redis.url, METRICS_PORT: String(port), METRICS_TOKEN: TOKEN };
        const hub = await HubProcess.start(folder, env);
        try {
          const read = async () =>
            (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { Authorization: `Bearer ${TOKEN}` } })).text();
          const serving = async () => Number(/^hub_processes_serving (\d+)/m.exec(await read())?.[1]);
          await until("both serve", async () => (await serving()) === 2, 30_000);
          for (const process of ["1", "2", "supervisor"]) match(await read(), `process="${process}"`);
          is(await statusOf(`http://127.0.0.1:${port}/metrics`), 401);
          const { url } = await hub.development();
          equal([await statusOf(`${url}/metrics`, `Bearer ${TOKEN}`), await statusOf(`${url}/readyz`)], [404, 200]);
          hub.kill("SIGHUP");
          await until("one leaves", async () => (await read()).includes('process="1-leaving"'), 30_000);
          ok((await serving()) >= 2);
        } finally {
          await hub.stop();
        }
      }),
    ),
  LIMIT_MS,
);

test.run();
