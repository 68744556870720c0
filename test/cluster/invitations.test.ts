import { equal, is } from "uvu/assert";
import { RawClient } from "../support/raw-client.ts";
import { withHubs } from "../support/several-hubs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("invitations over several hubs", "redis-server");

test(
  "an invitation created on one node reaches the user's connections on every node",
  () =>
    withHubs({ nodes: 2, redis: true }, async (cluster, world) => {
      const organizationId = world.stations[0]?.tenant.organization ?? "";
      const token = await cluster.issuer.mint({ subject: "guest", email: "guest@test.invalid" });
      const connect = async (port: number | undefined, with_: string) => {
        const client = new RawClient(`http://127.0.0.1:${port}`, { token: with_ });
        await client.welcomed();
        return client;
      };
      const guests = await Promise.all(cluster.ports.map((port) => connect(port, token)));
      const service = await connect(cluster.ports[1], cluster.serviceToken);
      const rpc = (client: RawClient, method: string, params: object) =>
        client.request("rpc", { method, params }) as Promise<{ items: { organizationId: string }[] }>;
      const pushed = (times: number) =>
        until("each connection is notified", () =>
          guests.every((guest) => guest.received("invitations").length === times),
        );
      try {
        await rpc(service, "organizations.invite", { organizationId, email: "guest@test.invalid" });
        await pushed(1);
        for (const guest of guests) {
          const { items } = await rpc(guest, "organizations.invitations", {});
          equal(
            items.map((item) => item.organizationId),
            [organizationId],
          );
        }
        const [first, second] = guests;
        if (!first || !second) throw new Error("two nodes have two connections");
        await rpc(first, "organizations.acceptInvite", { organizationId });
        await pushed(2);
        equal((await rpc(second, "organizations.invitations", {})).items, []);
        is(service.received("invitations").length, 0);
      } finally {
        for (const client of [...guests, service]) client.close();
      }
    }),
  120_000,
);

test.run();
