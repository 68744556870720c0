import { workstationChannel } from "@monster-realtime/client";
import type {
  AuditEvent,
  ConnectionListParams,
  ConnectionPage,
  ErrorObject,
  Page,
  Welcome,
} from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { mintRegistrationToken } from "../../hub/rpc/entities/workstations.ts";
import { type ClusterOptions, TestCluster } from "../invariants/nodes.ts";
import { withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("live connections of several nodes", "redis-server");
const LIMIT_MS = 60_000;
/** The time limit of a call, plus a margin for a busy machine. */
const ANSWERED_MS = 2_000 + 300;

interface Nodes {
  cluster: TestCluster;
  /** A connection of the service to each node, in the order of the nodes. */
  clients: [RawClient, RawClient];
  connect(index: number, token?: string): Promise<RawClient>;
}

/** Runs `body` on two nodes, and fails on unhandled rejections. */
async function withNodes(options: Partial<ClusterOptions>, body: (nodes: Nodes) => Promise<void>): Promise<void> {
  const cluster = await TestCluster.start({ nodes: 2, redis: true, env: { LOG_LEVEL: "warn" }, ...options });
  const opened: RawClient[] = [];
  const connect = async (index: number, token = cluster.serviceToken) => {
    const client = new RawClient(`http://127.0.0.1:${cluster.ports[index]}`, { token });
    opened.push(client);
    await client.welcomed();
    return client;
  };
  try {
    const clients = await Promise.all([connect(0), connect(1)]);
    await body({ cluster, clients, connect });
    is(cluster.output.includes("unhandled promise rejection"), false, cluster.output);
  } finally {
    for (const client of opened) client.close();
    await cluster.stop();
  }
}

/** An organization with an admin and a workstation. */
async function tenant({ database, issuer }: TestCluster) {
  const [organizationId, userId, workstationId] = [`org_${ulid()}`, `user_${ulid()}`, `ws_${ulid()}`];
  const { token: workstationToken, digest } = mintRegistrationToken();
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'T', ${organizationId.toLowerCase()})`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${userId}, ${userId}, ${`${userId}@test.invalid`})`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
      VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${userId}, 'admin')`;
    await sql`INSERT INTO workstations (id, organization_id, name, registration_token)
      VALUES (${workstationId}, ${organizationId}, 'W', ${digest})`;
  });
  const adminToken = await issuer.mint({ subject: userId, email: `${userId}@test.invalid` });
  return { organizationId, adminToken, workstationToken, channel: workstationChannel(workstationId) };
}

async function list(client: RawClient, params: ConnectionListParams = {}): Promise<ConnectionPage> {
  return (await client.request("rpc", { method: "connections.list", params })) as ConnectionPage;
}
/** Also of one that has ended. */
function idOf(client: RawClient): string {
  const [welcome] = client.received("welcome")[0] ?? [];
  return (welcome as Welcome | undefined)?.connectionId ?? "";
}
const idsOf = ({ items }: ConnectionPage): string[] => items.map(({ id }) => id);
const sorted = (clients: readonly RawClient[]): string[] => clients.map(idOf).sort();

/** Resolves when every node lists all of these connections. */
async function allSeen(asking: readonly RawClient[], connected = asking): Promise<void> {
  for (const client of asking) {
    await until(
      "all connections are listed",
      async () => {
        const page = await list(client);
        return !page.incomplete && idsOf(page).join() === sorted(connected).join();
      },
      10_000,
    );
  }
}

/** The time until the refusal with `unavailable`. */
async function timeRefused(client: RawClient, method: string, params: object): Promise<number> {
  const startedAt = performance.now();
  const { code, temporary } = (await client.refused("rpc", { method, params })) as ErrorObject;
  equal([code, temporary], ["unavailable", true]);
  return performance.now() - startedAt;
}

async function seeAndKick({ clients, connect }: Nodes): Promise<void> {
  const victim = await connect(0);
  const others = await Promise.all([1, 0, 1, 1].map((index) => connect(index)));
  const all = [...clients, victim, ...others];
  await allSeen(clients, all);
  const nodeIds = (await list(clients[0])).items.map(({ nodeId }) => nodeId);
  is(new Set(nodeIds).size, 2);
  const listed: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await list(clients[1], { limit: 2, ...(cursor !== undefined && { cursor }) });
    listed.push(...idsOf(page));
    cursor = page.nextCursor;
  }
  equal(listed, sorted(all));

  const params = { id: idOf(victim), reason: "for a test" };
  const twins = await Promise.all(clients.map((client) => client.ack("rpc", { method: "connections.kick", params })));
  equal(twins.map((ack) => (ack.ok ? "ok" : ack.error.code)).sort(), ["not_found", "ok"]);
  const [error] = (await victim.push("closing")) as [ErrorObject];
  equal([error.code, error.temporary, error.details], ["unavailable", true, { kicked: true, reason: "for a test" }]);
  await until("the victim is disconnected", () => victim.disconnectReason !== null);
  const filter = { entity: "connections", rowId: idOf(victim) };
  const { items } = (await clients[0].request("rpc", {
    method: "audit.list",
    params: { filter },
  })) as Page<AuditEvent>;
  equal(
    items.map(({ principal, operation }) => [principal, operation]),
    [["service:invariants", "deleted"]],
  );
  await allSeen(
    clients,
    all.filter((client) => client !== victim),
  );
}

test(
  "each node lists the connections of both, in pages, and ends those of the other, once",
  () => withNodes({}, seeAndKick),
  LIMIT_MS,
);

test(
  "an admin on one node sees only his organization's connections on the other",
  () =>
    withNodes({}, async ({ cluster, clients, connect }) => {
      const [ours, other] = [await tenant(cluster), await tenant(cluster)];
      const admin = await connect(0, ours.adminToken);
      const [machine, foreign, both] = [
        await connect(1, ours.workstationToken),
        await connect(1, other.workstationToken),
        await connect(1, ours.adminToken),
      ];
      await both.request("subscribe", { channel: ours.channel });
      await allSeen(clients, [...clients, admin, machine, foreign, both]);
      const page = await list(admin);
      equal(idsOf(page), sorted([machine, both]));
      for (const hidden of [other.organizationId, idOf(foreign), idOf(clients[1])])
        is(JSON.stringify(page).includes(hidden), false);
      is((await admin.refused("rpc", { method: "connections.kick", params: { id: idOf(foreign) } })).code, "not_found");
      await admin.request("rpc", { method: "connections.kick", params: { id: idOf(machine) } });
      await machine.push("closing");
      is(foreign.disconnectReason, null);
    }),
  LIMIT_MS,
);

test(
  "the same with a Redis Cluster",
  () =>
    withRedisCluster((redis) =>
      withNodes({ redis: false, env: { LOG_LEVEL: "warn", REDIS_URL: redis.url } }, async (nodes) => {
        const [first, second] = nodes.clients;
        await allSeen([first, second]);
        await first.request("rpc", { method: "connections.kick", params: { id: idOf(second) } });
        await until("the second client is disconnected", () => second.disconnectReason !== null);
      }),
    ),
  LIMIT_MS,
);

test(
  "a hanging node is reported in the list, and a kick of its connections is never `not_found`",
  () =>
    withNodes({}, async ({ cluster, clients, connect }) => {
      const [first, second] = clients;
      const other = await connect(0);
      await allSeen(clients, [...clients, other]);
      const pid = cluster.pids[1] ?? 0;
      process.kill(pid, "SIGSTOP");
      try {
        const startedAt = performance.now();
        const page = await list(first);
        ok(performance.now() - startedAt < ANSWERED_MS, `${performance.now() - startedAt} ms`);
        equal(
          { ...page, items: idsOf(page) },
          {
            items: sorted([first, other]),
            nextCursor: null,
            incomplete: true,
            silentNodes: 1,
          },
        );
        const took = await timeRefused(first, "connections.kick", { id: idOf(second) });
        ok(took < ANSWERED_MS, `${took} ms`);
        // A connection of this node can still be ended.
        await first.request("rpc", { method: "connections.kick", params: { id: idOf(other) } });
      } finally {
        process.kill(pid, "SIGCONT");
      }
      await until("nothing is missing", async () => !(await list(first)).incomplete, 10_000);
    }),
  LIMIT_MS,
);

test(
  "while Redis is unreachable calls are refused in time, connections stay, and both nodes are listed afterwards",
  () =>
    withNodes({}, async ({ cluster, clients }) => {
      await allSeen(clients);
      const frozen = cluster.freezeRedis(4_000);
      for (const method of ["connections.list", "connections.kick"]) {
        const took = await timeRefused(clients[0], method, method.endsWith("kick") ? { id: "x".repeat(20) } : {});
        ok(took < ANSWERED_MS, `${method} ${took} ms`);
      }
      await frozen;
      await allSeen(clients);
      await cluster.loseRedis();
      await allSeen(clients);
      for (const client of clients) is(client.disconnectReason, null);
    }),
  LIMIT_MS,
);

test(
  "calls are refused immediately after a Redis is killed, and served again after it restarts empty",
  () =>
    withRedis(async (redis) => {
      const env = { REDIS_URL: redis.url };
      await withHub({ env }, async (hub) => {
        const [service] = await hub.connectAll(hub.serviceToken);
        equal(idsOf(await list(service)), [idOf(service)]);
        await redis.kill();
        const took = await timeRefused(service, "connections.list", {});
        ok(took < ANSWERED_MS, `${took} ms`);
        await redis.start();
        await until("the connection is listed again", async () => idsOf(await list(service)).length === 1, 10_000);
        is(service.disconnectReason, null);
      });
    }),
  LIMIT_MS,
);

test(
  "hubs of different databases on one Redis don't see each other",
  () =>
    withRedis(async (redis) => {
      await withHub({ env: { REDIS_URL: `${redis.openUrl}/1` } }, (one) =>
        withHub({ env: { REDIS_URL: `${redis.openUrl}/2` } }, async (two) => {
          const [ours, other] = [await one.connect(one.serviceToken), await two.connect(two.serviceToken)];
          for (const client of [ours, other]) {
            const { items, incomplete } = await list(client);
            equal([items.map(({ id }) => id), incomplete], [[idOf(client)], false]);
          }
          is(
            (await ours.refused("rpc", { method: "connections.kick", params: { id: idOf(other) } })).code,
            "not_found",
          );
        }),
      );
    }),
  LIMIT_MS,
);

test.run();
