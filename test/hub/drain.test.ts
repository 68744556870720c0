import { ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";

const test = suite("a drain");

test("with a successor sends goaway a second time, within the short spread", () =>
  withHub({ env: { DRAIN_MS: "60000" } }, async ({ node, connect, userToken }) => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(userToken)));
    const drained = node.hub.drain();
    await Promise.all(clients.map((client) => client.push("goaway", ({ reconnectInMs }) => reconnectInMs < 500)));
    void node.hub.drain({ successor: true });
    const isShort = ({ reconnectInMs }: { reconnectInMs: number }) => reconnectInMs >= 500 && reconnectInMs <= 3_500;
    ok(await Promise.all(clients.map((client) => client.push("goaway", isShort))));
    for (const client of clients) client.close();
    await drained;
  }));

test.run();
