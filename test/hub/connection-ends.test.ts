import type { ErrorObject } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { refresh } from "../../hub/commands/refresh.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import type { Connection } from "../../hub/socket/connection.ts";
import { TokenClock } from "../../hub/socket/token-clock.ts";
import { hold } from "../support/hold.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("ends of connections and requests");

function connectionOf({ node }: TestHub, { socket }: RawClient): Connection {
  const connection = [...node.hub.connections].find(({ id }) => id === socket.id);
  if (!connection) throw new Error("the hub does not have this connection");
  return connection;
}

/** Records the watched connections. */
class RecordingClock extends TokenClock {
  readonly watched: Connection[] = [];

  override watch(connection: Connection, expiresAt: number | null): number | null {
    this.watched.push(connection);
    return super.watch(connection, expiresAt);
  }
}

test("an answer still in progress when the hub ends its connection is not sent after `closing`", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    const connection = connectionOf(hub, client);
    const { broker } = hub.node.hub.services;
    const publish = broker.publish.bind(broker);
    let published = 0;
    broker.publish = async (request) => {
      connection.end(new HubError("suspended", "Ended while it published."));
      const reply = await publish(request);
      published += 1;
      return reply;
    };
    const answer = client.ack("publish", { channel: hub.taskChannel, type: "note", payload: 1 });
    const outcome = await answer.then(
      () => "answered",
      () => "unanswered",
    );
    equal([outcome, published], ["unanswered", 1]);
    const [error] = (await client.push("closing")) as [ErrorObject];
    is(error.code, "suspended");
  }));

test("a client that was busy while the hub ended its connection still reads the reason", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    client.pauseReading();
    connectionOf(hub, client).end(new HubError("suspended", "Ended while it was busy."));
    await until("the hub has ended it", () => hub.node.hub.connectionCount === 0);
    client.resumeReading();
    const [error] = (await client.push("closing")) as [ErrorObject];
    is(error.code, "suspended");
  }));

test("a subscribe that was answered `timeout` does not go live afterwards", () =>
  withHub({ env: { REQUEST_TIMEOUT_MS: "1000", DATABASE_TIMEOUT_MS: "1000" } }, async (hub) => {
    const channel = hub.taskChannel;
    const [late, reader] = await hub.connectAll(hub.userToken, hub.serviceToken);
    const { services } = hub.node.hub;
    const held = hold(services.broker, "recover");
    is((await late.refused("subscribe", { channel, presence: true })).code, "timeout");
    is(held.waiting, 1);
    held.release();
    await until("the hub holds no subscription", () => services.fanOut.channelCount === 0);
    is(connectionOf(hub, late).subscriptions.size, 0);
    await reader.request("subscribe", { channel });
    await reader.request("publish", { channel, type: "note", payload: 1 });
    await reader.push("publications");
    equal(late.received("publications", channel), []);
    is(late.disconnectReason, null);
  }));

test("a subscription whose change was answered `timeout` keeps receiving presence, starting with a whole roster", () =>
  withHub({ env: { REQUEST_TIMEOUT_MS: "1000", DATABASE_TIMEOUT_MS: "1000" } }, async (hub) => {
    const channel = hub.projectChannel;
    const [watcher, station] = await hub.connectAll(hub.userToken, hub.workstation.token);
    await watcher.request("subscribe", { channel, presence: true });
    // A channel's requests run in order: the second waits for the first until it times out.
    const held = hold(hub.node.hub.services.broker, "history");
    const [first, second] = [
      watcher.refused("history", { channel }),
      watcher.refused("subscribe", { channel, presence: true }),
    ];
    equal([(await first).code, (await second).code], ["timeout", "timeout"]);
    held.release();
    const isWhole = (_: string, { from }: { from: number | null }) => from === null;
    await watcher.push("presence", isWhole);
    await station.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    const [, diff] = await watcher.push("presence", (_: string, { joins }: { joins: unknown[] }) => joins.length === 1);
    const [, whole] = await watcher.push("presence", isWhole);
    is((diff as { from: number }).from, (whole as { version: number }).version);
  }));

test("a token that is verified only after its connection ended is not watched", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    const connection = connectionOf(hub, client);
    const { services } = hub.node.hub;
    const clock = new RecordingClock();
    const held = hold(services.verifier, "verify");
    const answer = refresh(services, connection, { token: hub.userToken }, clock);
    client.close();
    await until("the connection has ended", () => hub.node.hub.connectionCount === 0);
    held.release();
    const error = await answer.then(
      () => null,
      (refusal: unknown) => refusal,
    );
    equal(clock.watched, []);
    ok(error instanceof HubError && error.code === "unavailable");
  }));

test.run();
