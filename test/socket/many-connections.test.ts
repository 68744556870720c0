import { equal, is, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("many connections of one principal");
const RATES = {
  PUBLISHES_PER_SECOND: "10",
  RPCS_PER_SECOND: "10",
  REQUESTS_PER_SECOND: "50",
  PRINCIPAL_RATE_FACTOR: "2",
};

test("welcome states the principal's limits, which are higher for a service", () =>
  withHub({}, async (hub) => {
    const [person, service] = await hub.connectAll(hub.userToken, hub.serviceToken);
    const rates = { publishesPerSecond: 200, rpcsPerSecond: 100, requestsPerSecond: 500, bytesPerSecond: 1_048_576 };
    const times = (factor: number) =>
      Object.fromEntries(Object.entries(rates).map(([name, rate]) => [name, rate * factor]));
    equal((await person.welcomed()).limits.principal, { ...times(5), rpcsInFlight: 32 });
    equal((await service.welcomed()).limits.principal, { ...times(50), rpcsInFlight: 256 });
  }));

test("connections within their own rates are rejected above the principal's, stay open, and succeed later", () =>
  withHub({ env: RATES }, async (hub) => {
    const mine = await hub.connectAll(hub.userToken, hub.userToken, hub.userToken, hub.userToken);
    const other = await hub.connect(hub.workstation.token);
    const note = { channel: hub.taskChannel, type: "note", payload: 1 };
    const acks = await Promise.all(
      mine.flatMap((client) => Array.from({ length: 10 }, () => client.ack("publish", note))),
    );
    const refused = acks.flatMap((ack) => (ack.ok ? [] : [ack.error]));
    ok(refused.length >= 5 && refused.length <= 20, `${refused.length} of ${acks.length} refused`);
    ok(
      refused.every(
        ({ code, temporary, retryAfterMs = 0 }) => code === "rate_limited" && temporary && retryAfterMs > 0,
      ),
    );
    ok(refused.every(({ message }) => message.includes("limits.principal")));
    await other.request("subscribe", { channel: hub.workstation.channel });
    const waitMs = Math.max(...refused.map(({ retryAfterMs = 0 }) => retryAfterMs));
    const rejectedAt = performance.now();
    await until("the longest stated wait is over", () => performance.now() - rejectedAt > waitMs);
    await mine[0]?.request("publish", note);
    ok(mine.every(({ socket }) => socket.connected));
  }));

test("requests of a principal over HTTP count together with its connections", () =>
  withHub({ env: RATES }, async (hub) => {
    const clients = await hub.connectAll(hub.userToken, hub.userToken);
    const note = { channel: hub.taskChannel, type: "note", payload: 1 };
    const address = `${hub.url}/v1/channels/${encodeURIComponent(hub.taskChannel)}/publish`;
    const post = () =>
      fetch(address, {
        method: "POST",
        headers: { authorization: `Bearer ${hub.userToken}`, "content-type": "application/json" },
        body: JSON.stringify({ type: "note", payload: 1 }),
      });
    // The token is cached afterwards, so that the answers below come within the second of the bucket.
    is((await post()).status, 200);
    const startedAt = performance.now();
    await Promise.all(clients.flatMap((client) => Array.from({ length: 10 }, () => client.ack("publish", note))));
    const statuses = await Promise.all(Array.from({ length: 9 }, async () => (await post()).status));
    const refilled = ((performance.now() - startedAt) * 20) / 1_000;
    const served = statuses.filter((status) => status === 200).length;
    ok(served <= Math.ceil(refilled), `${served} served, ${refilled} refilled`);
    ok(statuses.every((status) => status === 200 || status === 429));
  }));

test("a principal's state is dropped a second after its last connection", () =>
  withHub({}, async (hub) => {
    const { principals } = hub.node.hub.services;
    const client = await hub.connect(hub.userToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    is(principals.size, 1);
    client.close();
    await until("nothing is kept", () => principals.size === 0);
  }));

test.run();
