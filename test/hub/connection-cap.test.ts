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

/** Connects at once, and leaves open how it ends. */
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
    "each is welcome or refused",
    () => welcomed(arrivals).length + refused(arrivals).length === arrivals.length,
  );
}

test("a burst is let in up to the cap, the surplus is told rate_limited, and who goes makes room", () =>
  withHub({ env: ENV }, async (hub) => {
    const { verifier } = hub.node.hub.services;
    const held = hold(verifier, "verify");
    const burst = arrive(hub, 12);
    await until("all have come", () => held.waiting === 12);
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

test("who hangs up while being let in takes no slot", () =>
  withHub({ env: ENV }, async (hub) => {
    const held = hold(hub.node.hub.services.verifier, "verify");
    const gone = arrive(hub, CAP);
    await until("all have come", () => held.waiting === CAP);
    for (const { client } of gone) client.cut();
    // What was sent before is read before: the hub knows by its answer that they are gone.
    await (await fetch(`${hub.url}/healthz`)).text();
    held.release();
    await until("nobody is connected", () => hub.node.hub.connectionCount === 0);
    const next = arrive(hub, CAP + 1);
    await settled(next);
    is(welcomed(next).length, CAP);
    for (const { client } of next) client.close();
  }));

test.run();
