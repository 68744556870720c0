import type { Activity, ChannelPage, NodesHeard, PublicationTrace, RpcMethod } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { TestCluster } from "../invariants/nodes.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("inspection of several nodes", "redis-server");
const LIMIT_MS = 60_000;
/** Time limit of a call, plus a margin for a busy machine. */
const ANSWERED_MS = 2_000 + 300;

type Trace = PublicationTrace & NodesHeard;
const call = async <Result>(client: RawClient, method: RpcMethod, params: object): Promise<Result> =>
  (await client.request("rpc", { method, params })) as Result;
const trace = (client: RawClient, id: string) => call<Trace>(client, "publications.trace", { id });
const list = (client: RawClient, params = {}) => call<ChannelPage>(client, "channels.list", params);

interface Nodes {
  cluster: TestCluster;
  channels: string[];
  organizationId: string;
  connect(index: number): Promise<RawClient>;
}

/** Runs `body` with two nodes and the task channels of a project. */
async function withNodes(tasks: number, body: (nodes: Nodes) => Promise<void>): Promise<void> {
  const cluster = await TestCluster.start({ nodes: 2, redis: true, env: { LOG_LEVEL: "warn" } });
  const opened: RawClient[] = [];
  const connect = async (index: number) => {
    const client = new RawClient(`http://127.0.0.1:${cluster.ports[index]}`, { token: cluster.serviceToken });
    opened.push(client);
    await client.welcomed();
    return client;
  };
  try {
    const [organizationId, projectId] = [`org_${ulid()}`, `proj_${ulid()}`];
    const ids = Array.from({ length: tasks }, () => `task_${ulid()}`);
    await cluster.database.transaction("test", async (sql) => {
      await sql`SELECT set_config('hub.audit_publish', 'off', true)`;
      await sql`INSERT INTO organizations (id, name, slug) VALUES (${organizationId}, 'T', 't')`;
      await sql`INSERT INTO projects (id, organization_id, name, slug) VALUES (${projectId}, ${organizationId}, 'P', 'p')`;
      await sql`INSERT INTO tasks (id, project_id, title) SELECT id, ${projectId}, 'T' FROM unnest(${ids}::text[]) AS id`;
    });
    await body({ cluster, channels: ids.map((id) => `task:${id}`).sort(), organizationId, connect });
    is(cluster.output.includes("unhandled promise rejection"), false, cluster.output);
  } finally {
    for (const client of opened) client.close();
    await cluster.stop();
  }
}

/** Resolves when this node receives responses from the other one. */
async function reachesAll(client: RawClient): Promise<void> {
  await until("all nodes answer", async () => !(await list(client)).incomplete, 10_000);
}

test(
  "each node reports subscribers, rates and deliveries of all nodes; a killed node's data is missing and reported as incomplete",
  () =>
    withNodes(1, async ({ cluster, channels: [channel = ""], organizationId, connect }) => {
      const [one, two] = [await connect(0), await connect(1)];
      const idOf = new Map([one, two].map((client) => [client, client.socket.id ?? ""]));
      const nodes = await Promise.all([one, two].map(async (client) => (await client.welcomed()).nodeId));
      for (const client of [one, two]) {
        await reachesAll(client);
        await client.request("subscribe", { channel });
      }
      const publish = (client: RawClient, id: string, more = {}) =>
        client.request("publish", { channel, type: "note", payload: null, id, ...more });
      await publish(one, "from-one");
      await publish(two, "from-two");
      await publish(two, "brief", { ephemeral: true });
      for (const client of [one, two])
        await client.push("publications", (_, [first]: { id: string }[]) => first?.id === "brief");

      for (const asking of [one, two]) {
        const { items, incomplete } = await list(asking);
        const [{ publicationsPerSecond = 0, lastPublicationAt = null, ...row } = {}] = items;
        equal(
          [row, incomplete],
          [
            {
              name: channel,
              organizationId,
              subscribers: 2,
              presentMembers: 0,
              publications: 3,
              nodes: [...nodes].sort().map((nodeId) => ({ nodeId, subscribers: 1 })),
            },
            false,
          ],
        );
        ok(publicationsPerSecond > 0.03 && lastPublicationAt !== null);
        for (const [id, publishedOn] of [
          ["from-one", nodes[0]],
          ["from-two", nodes[1]],
          ["brief", nodes[1]],
        ] as const) {
          const found = await trace(asking, id);
          equal(
            [found.publishedOn, found.publishedBy, found.incomplete],
            [publishedOn, { kind: "service", id: "invariants" }, false],
          );
          equal(
            new Map(found.deliveries.map(({ nodeId, connectionId, how }) => [nodeId, [connectionId, how]])),
            new Map([
              [nodes[0] ?? "", [idOf.get(one), "live"]],
              [nodes[1] ?? "", [idOf.get(two), "live"]],
            ]),
          );
        }
        const { points } = await call<Activity>(asking, "activity.get", { organizationId, minutes: 2 });
        is(
          points.reduce((sum, { publications }) => sum + publications, 0),
          3,
        );
      }

      const paused = cluster.pause(1, 2_500);
      const [halved, unknown] = await Promise.all([
        trace(one, "from-two"),
        one.refused("rpc", { method: "publications.trace", params: { id: "never" } }),
      ]);
      equal([halved.incomplete, halved.silentNodes, halved.deliveries.length], [true, 1, 1]);
      is(unknown.code, "unavailable");
      await paused;
      await cluster.kill(1);
      const startedAt = performance.now();
      const { deliveries, incomplete, silentNodes, ...left } = await trace(one, "from-two");
      const took = performance.now() - startedAt;
      ok(took < ANSWERED_MS, `${took} ms`);
      equal(
        deliveries.map(({ connectionId }) => connectionId),
        [idOf.get(one)],
      );
      // The dead node is queried until its lease in Redis expires.
      equal([incomplete, silentNodes], silentNodes > 0 ? [true, 1] : [false, 0]);
      equal([left.publishedOn, left.publishedBy, left.from], [null, null, { service: "invariants" }]);
      is((await list(one)).items[0]?.subscribers, 1);
    }),
  LIMIT_MS,
);

test(
  "pages go through the channels of both nodes, each listed once with the subscribers of both",
  () =>
    withNodes(300, async ({ channels, connect }) => {
      const [one, two] = [await connect(0), await connect(1)];
      await reachesAll(one);
      const [ofOne, ofTwo] = [
        channels.filter((_, index) => index % 3 !== 0),
        channels.filter((_, index) => index % 2 === 0),
      ];
      const subscribe = async (client: RawClient, names: string[]) => {
        for (const channel of names.slice(0, 100)) await client.request("subscribe", { channel });
      };
      await Promise.all([subscribe(one, ofOne), subscribe(two, ofTwo)]);
      const expected = new Map<string, number>();
      for (const name of [...ofOne.slice(0, 100), ...ofTwo.slice(0, 100)])
        expected.set(name, (expected.get(name) ?? 0) + 1);
      const listed: [string, number][] = [];
      for (let cursor: string | null | undefined; cursor !== null; ) {
        const page: ChannelPage = await list(two, { limit: 7, ...(cursor !== undefined && { cursor }) });
        listed.push(...page.items.map(({ name, subscribers }): [string, number] => [name, subscribers]));
        cursor = page.nextCursor;
      }
      equal(
        listed,
        [...expected].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    }),
  LIMIT_MS,
);

test(
  "a publication without subscribers is traced to the node that accepted it, and its recovery to the other",
  () =>
    withNodes(1, async ({ channels: [channel = ""], connect }) => {
      const [one, two] = [await connect(0), await connect(1)];
      await reachesAll(two);
      const { epoch, offset } = await one.request("publish", { channel, type: "note", payload: null, id: "lonely" });
      equal((await trace(two, "lonely")).deliveries, []);
      await two.request("subscribe", { channel, recover: { epoch, offset: offset - 1 } });
      const { deliveries } = await trace(one, "lonely");
      equal(
        deliveries.map(({ connectionId, how }) => [connectionId, how]),
        [[two.socket.id, "recovered"]],
      );
    }),
  LIMIT_MS,
);

test.run();
