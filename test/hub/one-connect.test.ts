import { equal, is, ok } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { RawTransport } from "../support/raw-transport.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("one CONNECT for each transport");

const connect = (hub: TestHub) => `40${JSON.stringify({ token: hub.serviceToken })}`;

for (const [what, when] of [
  ["at once", () => true],
  ["after its welcome", (transport: RawTransport) => transport.received.some((packet) => packet.includes('"welcome"'))],
] as const) {
  test(`a second CONNECT ${what} ends the transport, and the hub stays up`, () =>
    withHub({}, async (hub) => {
      const other = await hub.connect(hub.userToken);
      const transport = await RawTransport.open(hub.url);
      transport.send(connect(hub));
      await until("it is time for the second CONNECT", () => when(transport));
      transport.send(connect(hub));
      await transport.closed;
      ok((await other.request("subscribe", { channel: hub.taskChannel })).epoch);
      await until("only the other is left", () => hub.node.hub.connectionCount === 1);
      is((await fetch(`${hub.url}/healthz`)).status, 200);
    }));
}

test("a client that leaves the namespace loses its transport immediately, and no longer counts", () =>
  withHub({ env: { CONNECTIONS_PER_PRINCIPAL: "2" } }, async (hub) => {
    for (let round = 0; round < 5; round += 1) {
      const transport = await RawTransport.open(hub.url);
      transport.send(connect(hub));
      await transport.welcomed();
      transport.send("41");
      await transport.closed;
    }
    await until("none is left", () => hub.node.hub.connectionCount === 0);
    equal(hub.node.hub.transportCount, 0);
  }));

test("a client whose CONNECT is rejected receives the reason, then its transport ends", () =>
  withHub({}, async (hub) => {
    const transport = await RawTransport.open(hub.url);
    transport.send('40{"token":"wst_wrong"}');
    await transport.closed;
    const refusal = transport.received.find((packet) => packet.startsWith("44")) ?? "";
    is(JSON.parse(refusal.slice(2)).data.code, "unauthenticated");
    equal(hub.node.hub.transportCount, 0);
  }));

test.run();
