import type { ErrorObject } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { hold } from "../support/hold.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("connections of one principal");
const CAP = 3;
const ENV = { CONNECTIONS_PER_PRINCIPAL: String(CAP) };

interface Arrival {
  client: RawClient;
  refusal: ErrorObject | null;
}

/** Starts to connect, without waiting for the outcome. */
function arrive({ url, serviceToken: token }: TestHub, count: number): Arrival[] {
  return Array.from({ length: count }, () => {
    const arrival: Arrival = { client: new RawClient(url, { token }), refusal: null };
    arrival.client.socket.on("connect_error", (error: Error & { data?: ErrorObject }) => {
      arrival.refusal = error.data ?? null;
      arrival.client.close();
    });
    return arrival;
  });
}

const welcomed = (arrivals: Arrival[]) => arrivals.filter(({ client }) => client.last("welcome"));
const refused = (arrivals: Arrival[]) => arrivals.flatMap(({ refusal }) => refusal ?? []);

async function settled(arrivals: Arrival[]): Promise<void> {
  await until(
    "each is welcomed or rejected",
    () => welcomed(arrivals).length + refused(arrivals).length === arrivals.length,
  );
}

test("a burst is admitted up to the cap, the rest gets rate_limited, and a disconnect frees a slot", () =>
  withHub({ env: ENV }, async (hub) => {
    const { verifier } = hub.node.hub.services;
    const held = hold(verifier, "verify");
    const burst = arrive(hub, 12);
    await until("all have arrived", () => held.waiting === 12);
    held.release();
    await settled(burst);
    equal([welcomed(burst).length, hub.node.hub.connectionCount], [CAP, CAP]);
    equal(new Set(refused(burst).map(({ code, temporary }) => `${code} ${temporary}`)), new Set(["rate_limited true"]));
    ok(refused(burst).every(({ retryAfterMs }) => (retryAfterMs ?? 0) > 0));

    for (const { client } of welcomed(burst).slice(1)) client.close();
    await until("two slots are free", () => hub.node.hub.connectionCount === 1);
    const next = arrive(hub, 5);
    await settled(next);
    equal([welcomed(next).length, hub.node.hub.connectionCount], [2, CAP]);
    for (const { client } of [...burst, ...next]) client.close();
  }));

test("a client that hangs up during its admission takes no slot", () =>
  withHub({ env: ENV }, async (hub) => {
    const held = hold(hub.node.hub.services.verifier, "verify");
    const gone = arrive(hub, CAP);
    await until("all have arrived", () => held.waiting === CAP);
    for (const { client } of gone) client.cut();
    // The hub reads in order: its answer shows that it knows of the disconnects.
    await (await fetch(`${hub.url}/healthz`)).text();
    held.release();
    await until("no client is connected", () => hub.node.hub.connectionCount === 0);
    const next = arrive(hub, CAP + 1);
    await settled(next);
    is(welcomed(next).length, CAP);
    for (const { client } of next) client.close();
  }));

test.run();
