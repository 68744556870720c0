import { type Client, createClient } from "@monster-realtime/client";
import { equal, is, match, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { withRawHttp } from "../support/raw-http.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a hub below a path");

const BELOW = { env: { BASE_PATH: "/tools/realtime" } };

/** The result of the client's first attempt: the id of its principal, or the code of an error. */
async function firstOutcome(url: string, token: string, transports: ["websocket" | "polling"]): Promise<string> {
  const client: Client = createClient({ url, token, transports, connectTimeoutMs: 4_000 });
  client.on("error", () => undefined);
  try {
    return await new Promise<string>((resolve, reject) => {
      client.on("state", (state) => state.name === "waiting" && resolve(state.error.code));
      client.connect().then(({ principal }) => resolve(principal.id), reject);
    });
  } finally {
    await client.close();
  }
}

test("the announced address has the path, and everything answers below it", () =>
  withHub(BELOW, async (hub) => {
    match(hub.url, /^http:\/\/localhost:\d+\/tools\/realtime$/);
    is(hub.node.development?.page.startsWith(`${hub.url}/#token=`), true);
    for (const path of ["/healthz", "/readyz", "/metrics", "/", "/console.js", "/console.css"]) {
      is((await fetch(hub.url + path)).status, 200, path);
    }
    const history = `${hub.url}/v1/channels/${hub.taskChannel}/history`;
    is((await fetch(history, { headers: { Authorization: `Bearer ${hub.serviceToken}` } })).status, 200);
  }));

test("the probes answer at the root too, and nothing else does", () =>
  withHub(BELOW, async (hub) => {
    const { origin } = new URL(hub.url);
    const statusOf = async (path: string) => (await fetch(origin + path, { redirect: "manual" })).status;
    for (const path of ["/healthz", "/readyz", "/metrics"]) is(await statusOf(path), 200, path);
    for (const path of ["/", "/v1/rpc/tasks.get", "/console.js", "/tools", "/tools/", "/tools/realtimes/healthz"]) {
      is(await statusOf(path), 404, path);
    }
    const { message } = (await (await fetch(origin)).json()) as { message: string };
    match(message, "The hub serves below /tools/realtime/");
    is(await statusOf("/socket.io/?EIO=4&transport=polling"), 404);
  }));

test("the path without its slash leads to the console, whose addresses are relative", () =>
  withHub(BELOW, async (hub) => {
    const moved = await fetch(`${hub.url}?x=1`, { redirect: "manual" });
    equal([moved.status, moved.headers.get("location")], [308, "/tools/realtime/?x=1"]);
    const page = await (await fetch(hub.url)).text();
    const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address ?? "");
    ok(addresses.length > 1);
    for (const address of addresses) ok(!address.startsWith("/"), address);
    is((await fetch(hub.url, { method: "POST", redirect: "manual" })).status, 405);
  }));

test("an upgrade to a WebSocket outside of it is answered immediately", () =>
  withHub(BELOW, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const headers = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
      ];
      const socket = "/socket.io/?EIO=4&transport=websocket";
      for (const [path, status] of [
        [`/tools/realtime${socket}`, 101],
        [socket, 404],
        [`/tools${socket}`, 404],
      ] as const) {
        const connection = open().send(`GET ${path}`, headers);
        await until(path, () => connection.statuses.length === 1);
        is(connection.statuses[0], status, path);
      }
    }),
  ));

test("the SDK accepts the address with and without a slash at its end, by WebSocket and by long-polling", () =>
  withHub(BELOW, async (hub) => {
    for (const transports of [["websocket"], ["polling"]] as ["websocket" | "polling"][]) {
      for (const url of [hub.url, `${hub.url}/`, `${hub.url}//`]) {
        is(await firstOutcome(url, hub.userToken, transports), hub.userId, `${url} ${transports}`);
      }
      for (const url of [new URL(hub.url).origin, `${hub.url}/deeper`, `${hub.url}x`]) {
        is(await firstOutcome(url, hub.userToken, transports), "unreachable", `${url} ${transports}`);
      }
    }
  }));

test("at the root, an address with a path gets an error, and does not wait for ever", () =>
  withHub({}, async (hub) => {
    is(await firstOutcome(`${hub.url}/realtime`, hub.userToken, ["websocket"]), "unreachable");
    is(await firstOutcome(`${hub.url}/`, hub.userToken, ["websocket"]), hub.userId);
  }));

test.run();
