import { equal, is, match, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { type RawHttp, withRawHttp } from "../support/raw-http.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("HTTP connections");

/** Limits short enough for a test. */
const httpTimes = { headersMs: 300, requestMs: 600 };

const answers = (connection: RawHttp, count: number) =>
  until(`${count} answers`, () => connection.statuses.length === count);
const closes = (connection: RawHttp) => until("the hub closes it", () => connection.closedAt !== null);

test("a connection is kept longer than a proxy keeps it", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const connection = open().send("GET /healthz");
      await answers(connection, 1);
      match(connection.received, /^Keep-Alive: timeout=75\r$/m);
    }),
  ));

test("a kept connection outlives the limits of requests, and ends after its own", () =>
  withHub({ env: { KEEP_ALIVE_MS: "2000" }, httpTimes }, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const connection = open().send("GET /healthz");
      await answers(connection, 1);
      const since = performance.now();
      // The limits of another connection expire in the meantime.
      const silent = open();
      await closes(silent);
      const bearer = `Authorization: Bearer ${hub.serviceToken}`;
      await closes(open().send("POST /v1/rpc/tasks.get", [bearer, "Content-Length: 5"]));
      ok(performance.now() - since > httpTimes.requestMs);
      connection.send("GET /healthz");
      await answers(connection, 2);
      const answeredAt = performance.now();
      await closes(connection);
      ok((connection.closedAt ?? 0) - answeredAt > 1_900);
    }),
  ));

test("requests that arrive too slowly, and connections without any, are ended in time", () =>
  withHub({ httpTimes }, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const begun = performance.now();
      const bearer = `Authorization: Bearer ${hub.serviceToken}`;
      const publish = `POST /v1/channels/${hub.taskChannel}/publish`;
      const slow = [open(), open(), open(), open(), open()] as const;
      const [silent, begins, drips, body, upgrade] = slow;
      begins.socket.write("GET /healthz HTTP/1.1\r\nHost:");
      body.send(publish, [bearer, "Content-Length: 100000", "Content-Type: application/json"], "{");
      upgrade.send("GET /healthz", ["Connection: Upgrade", "Upgrade: h2c"]);
      await answers(upgrade, 1);
      upgrade.socket.write("GET /healthz HTTP/1.1\r\n");
      const dripping = setInterval(() => {
        drips.socket.write("x");
        body.socket.write(" ");
      }, 20);
      drips.socket.write("GET /healthz HTTP/1.1\r\nX-");
      for (const connection of slow) await closes(connection);
      clearInterval(dripping);
      ok(performance.now() - begun < 5_000, `${performance.now() - begun} ms`);
      for (const connection of [silent, begins, drips]) equal(connection.statuses, [408]);
      equal(upgrade.statuses, [200, 408]);
      is((await fetch(`${hub.url}/healthz`)).status, 200);
    }),
  ));

test("a peer that half-closes its connection is ended, with a complete or an incomplete request", () =>
  withHub({ httpTimes }, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const [whole, half, none] = [open().send("GET /healthz"), open(), open()];
      half.socket.write("GET /healthz HTTP/1.1\r\n");
      for (const { socket } of [whole, half, none]) socket.end();
      for (const connection of [whole, half, none]) await closes(connection);
    }),
  ));

test("kept connections do not delay the end of the hub", async () => {
  let stoppedAt = 0;
  await withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const kept = [open(), open(), open()];
      for (const connection of kept) await answers(connection.send("GET /healthz"), 1);
      stoppedAt = performance.now();
      await hub.node.stop();
      ok(performance.now() - stoppedAt < 5_000);
      for (const connection of kept) await closes(connection);
    }),
  );
});

test("during a drain each kept connection ends with its next answer", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const client = await hub.connect(hub.serviceToken);
      const kept = open().send("GET /healthz");
      await answers(kept, 1);
      const stopped = hub.node.stop();
      await client.push("goaway");
      await answers(kept.send("GET /readyz"), 2);
      await closes(kept);
      equal(kept.statuses, [200, 503]);
      client.close();
      await stopped;
    }),
  ));

test("a hub whose port others serve ends kept connections after at most five seconds, an active one with its answer", () =>
  withHub({}, (hub) =>
    withRawHttp(hub.url, async (open) => {
      const [idle, active] = [open(), open()];
      for (const connection of [idle, active]) await answers(connection.send("GET /healthz"), 1);
      const begun = performance.now();
      const stopped = hub.node.stop({ drain: true, handOver: true });
      await answers(active.send("GET /healthz"), 2);
      await closes(active);
      is(idle.closedAt, null);
      await stopped;
      ok(performance.now() - begun < 15_000, `${performance.now() - begun} ms`);
      await closes(idle);
    }),
  ));

test.run();
