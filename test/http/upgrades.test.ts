import { equal, is, match, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { withRawHttp } from "../support/raw-http.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("requests for upgrades");

const upgrade = (protocol: string, ...more: string[]) => ["Connection: Upgrade", `Upgrade: ${protocol}`, ...more];
const KEY = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
const SOCKET = "/socket.io/?EIO=4&transport=websocket";

/** Request line, headers, and the status that an ordinary request gets. */
const ORDINARY: [line: string, headers: string[], status: number][] = [
  [
    "GET /healthz",
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
    200,
  ],
  ["GET /readyz", upgrade("foo"), 200],
  ["GET /metrics", upgrade("TLS/1.0"), 200],
  ["GET /healthz", upgrade("h2c, websocket"), 200],
  ["HEAD /healthz", upgrade("h2c"), 200],
  ["POST /healthz", upgrade("h2c", "Content-Length: 0"), 405],
  ["GET /nothing", upgrade("websocket", ...KEY), 404],
  ["GET /healthz", upgrade("websocket", ...KEY), 200],
  ["GET /socket.io", upgrade("websocket", ...KEY), 404],
  ["GET /socket.iox", upgrade("websocket", ...KEY), 404],
  ["GET /socket.io/?EIO=4&transport=polling", upgrade("h2c"), 200],
  [`GET ${SOCKET}`, upgrade("h2c"), 400],
];

test("an upgrade that the hub does not offer gets the answer of an ordinary request, and the connection is kept", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      for (const [line, headers, status] of ORDINARY) {
        const what = `${line} ${headers.join()}`;
        const connection = open().send(line, headers);
        await until(what, () => connection.statuses.length === 1);
        is(connection.statuses[0], status, what);
        connection.send("GET /healthz");
        await until(`${what}, and one more`, () => connection.statuses.length === 2);
      }
    }),
  ));

test("its body is read, in any number of chunks", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const body = JSON.stringify({ type: "note", payload: "x".repeat(30_000) });
      const headers = upgrade("h2c", `Content-Length: ${body.length}`, "Content-Type: application/json");
      const line = `POST /v1/channels/${hub.taskChannel}/publish`;
      const connection = open().send(
        line,
        [...headers, `Authorization: Bearer ${hub.serviceToken}`],
        body.slice(0, 10),
      );
      await until("the rest is sent", () => connection.socket.writableLength === 0);
      connection.socket.write(body.slice(10));
      await until("it is published", () => connection.received.includes('"offset":1'));
    }),
  ));

test("pipelined requests are answered in their order, including those with an upgrade", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const connection = open();
      const bearer = [`Authorization: Bearer ${hub.serviceToken}`];
      for (const limit of [1, 2, 3]) {
        connection.send(`GET /v1/channels/${hub.taskChannel}/history?limit=${limit}`, bearer);
        connection.send("GET /nothing", upgrade("h2c"));
      }
      await until("all are answered", () => connection.statuses.length === 6);
      equal(connection.statuses, [200, 404, 200, 404, 200, 404]);
    }),
  ));

test("a WebSocket is upgraded, and one with a wrong handshake is rejected", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const asked: [line: string, headers: string[], status: number][] = [
        [`GET ${SOCKET}`, upgrade("websocket", ...KEY), 101],
        [`GET ${SOCKET}`, upgrade("WebSocket", ...KEY), 101],
        [`GET ${SOCKET}`, upgrade("websocket"), 400],
        [`GET ${SOCKET}`, upgrade("websocket", "Sec-WebSocket-Version: 7", KEY[1] ?? ""), 400],
        [`POST ${SOCKET}`, upgrade("websocket", ...KEY), 400],
        ["GET /socket.io/?EIO=4&transport=telepathy", upgrade("websocket", ...KEY), 400],
        [`GET ${SOCKET}&sid=nobody`, upgrade("websocket", ...KEY), 400],
      ];
      for (const [line, headers, status] of asked) {
        const connection = open().send(line, headers);
        await until(line, () => connection.statuses.length > 0);
        is(connection.statuses[0], status, `${line} ${headers.join()}`);
      }
    }),
  ));

test("thousands on one connection leave no listeners behind", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const warnings: string[] = [];
      const warn = ({ message }: Error) => void warnings.push(message);
      process.on("warning", warn);
      const connection = open();
      for (let count = 1; count <= 2_000; count += 1) connection.send("GET /healthz", upgrade("h2c"));
      await until("all are answered", () => connection.statuses.length === 2_000, 15_000);
      connection.send("GET /healthz", ["Connection: close"]);
      await until("it is closed", () => connection.closedAt !== null);
      process.off("warning", warn);
      equal(warnings, []);
      match(connection.received, /connection: close/i);
      ok((await fetch(`${hub.url}/healthz`)).ok);
    }),
  ));

test.run();
