import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  ChannelPage,
  ConnectionPage,
  Publication,
  PublicationTrace,
  Roster,
} from "@monster-realtime/client/protocol";
import { equal, is, match, not, ok } from "uvu/assert";
import { loadConfig } from "../../hub/config/config.ts";
import { createLogger } from "../../hub/kernel/log.ts";
import { startNode } from "../../hub/node/node.ts";
import type { RunningNode } from "../../hub/node/running-node.ts";
import type { Database } from "../../hub/store/database.ts";
import { renewIdentity, settleIdentity } from "../../hub/store/identity.ts";
import { withCopy } from "../support/database-copy.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { brokerOn, message, recorder } from "./redis-broker.ts";
import { membersOf, presenceOn, user } from "./redis-presence.ts";

const test = suite("one Redis for several databases", "redis-server");
const LIMIT_MS = 60_000;
const TOKEN = "svc_shared-redis-0123456789";
const SERVICES = JSON.stringify([
  { name: "test", sha256: createHash("sha256").update(TOKEN).digest("hex"), organizations: "*" },
]);

interface Scene {
  redis: RedisServer;
  /** The hub of the original; the copy has the same rows. */
  hub: TestHub;
  copy: Database;
  /** A hub on the copy. */
  start(): Promise<RunningNode>;
  connect(url: string, token?: string): Promise<RawClient>;
}

/** A hub on a database, and its copy with the same ids, for hubs with the same Redis. */
async function withScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "hub-copy-"));
  const nodes: RunningNode[] = [];
  const clients: RawClient[] = [];
  const end = async () => {
    for (const client of clients) client.close();
    await Promise.all(nodes.map((node) => node.stop({ drain: false })));
  };
  try {
    await withRedis(async (redis) => {
      const env = { REDIS_URL: redis.url, SERVICE_TOKENS: SERVICES };
      const config = loadConfig({ PORT: "0", DATA_DIR: dataDir, DEVELOPMENT: "on", ...env });
      await withHub({ env }, (hub) =>
        withCopy(hub.database, async (copy) => {
          const start = async () => {
            const store = { database: copy, close: async () => undefined };
            const node = await startNode({ config, log: createLogger("silent"), store });
            nodes.push(node);
            return node;
          };
          const connect = async (url: string, token = TOKEN) => {
            const client = new RawClient(url, { token });
            clients.push(client);
            await client.welcomed();
            return client;
          };
          await body({ redis, hub, copy, start, connect }).finally(end);
        }),
      );
    });
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const rpc = async <Result>(client: RawClient, method: string, params: object): Promise<Result> =>
  (await client.request("rpc", { method, params } as never)) as Result;

async function eachOwnPublication({ taskChannel: channel }: TestHub, ours: RawClient, other: RawClient) {
  for (const client of [ours, other]) await client.request("subscribe", { channel });
  const publish = (client: RawClient, id: string) =>
    client.request("publish", { channel, type: "note", payload: null, id } as never);
  await publish(ours, "same");
  const published = (await publish(other, "same")) as { duplicate?: boolean; offset: number };
  equal([published.duplicate, published.offset], [undefined, 1], "an id is known only in its own database");
  await publish(other, "last");
  const ids = () =>
    other.received("publications", channel).flatMap(([, list]) => (list as Publication[]).map(({ id }) => id));
  await until("the last one is received", () => ids().includes("last"));
  equal(ids(), ["same", "last"]);
}

test(
  "a copy's hub has separate streams, rosters, connections, channels and traces under the same ids",
  () =>
    withScene(async ({ redis, hub, copy, start, connect }) => {
      const node = await start();
      const [ours, other] = [await connect(hub.url), await connect(node.url)];
      not.equal((await settleIdentity(copy)).value, (await settleIdentity(hub.database)).value);
      await eachOwnPublication(hub, ours, other);

      const station = await connect(hub.url, hub.workstation.token);
      await station.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
      const roster = (client: RawClient, channel: string) =>
        client.request("presence.list", { channel } as never) as Promise<unknown> as Promise<Roster>;
      for (const channel of [hub.workstation.channel, hub.projectChannel]) {
        await until("it is present", async () => (await roster(ours, channel)).members.length === 1);
        equal((await roster(other, channel)).members, [], channel);
      }

      const mine = await rpc<ConnectionPage>(other, "connections.list", {});
      equal([mine.items.map(({ id }) => id), mine.incomplete], [[other.socket.id], false]);
      const kick = { method: "connections.kick", params: { id: ours.socket.id } };
      is((await other.refused("rpc", kick)).code, "not_found");
      const channels = await rpc<ChannelPage>(other, "channels.list", {});
      equal(
        channels.items.map(({ name, subscribers }) => [name, subscribers]),
        [[hub.taskChannel, 1]],
      );
      await ours.request("publish", { channel: hub.taskChannel, type: "note", payload: null, id: "ours" } as never);
      const traced = await rpc<PublicationTrace>(ours, "publications.trace", { id: "ours" });
      is(traced.id, "ours");
      is((await other.refused("rpc", { method: "publications.trace", params: { id: "ours" } })).code, "not_found");

      const prefixes = (await redis.admin.keys("*")).map((key) => /^mr:([^:]+):|^mr:program$/.exec(key)?.[1] ?? "");
      const identities = [hub.database, copy].map(async (database) => (await settleIdentity(database)).value);
      equal([...new Set(prefixes)].sort(), ["", ...(await Promise.all(identities))].sort());
    }),
  LIMIT_MS,
);

test(
  "hubs that start on a fresh copy at the same time serve it together, and exit when its identity is renewed",
  () =>
    withScene(async ({ copy, start, hub, connect }) => {
      const nodes = await Promise.all([start(), start(), start()]);
      const [one, two] = [await connect(nodes[0]?.url ?? ""), await connect(nodes[2]?.url ?? "")];
      await until(
        "each knows of both",
        async () => (await rpc<ConnectionPage>(one, "connections.list", {})).items.length === 2,
      );
      await one.request("subscribe", { channel: hub.taskChannel });
      await two.request("publish", { channel: hub.taskChannel, type: "note", payload: null } as never);
      await one.push("publications");

      await renewIdentity(copy);
      const reasons = await Promise.all(nodes.map(({ lost }) => lost));
      for (const [index, reason] of reasons.entries()) {
        match(reason, /identity has changed.*Start it again/);
        match(Object.values((await nodes[index]?.readiness()) ?? {}).join(), /identity/);
      }
      equal(await hub.node.readiness(), {}, "the original's hub continues");
      equal(await (await start()).readiness(), {}, "a restarted hub serves");
    }),
  LIMIT_MS,
);

test(
  "a hub with the keys of a former identity publishes no change, neither before it detects the new one nor while it drains",
  () =>
    withScene(async ({ copy, start, hub: { taskChannel: channel }, connect }) => {
      const former = await start();
      const left = await connect(former.url);
      await left.request("subscribe", { channel });
      await renewIdentity(copy);
      const next = await connect((await start()).url);
      await next.request("subscribe", { channel });
      let changes = 0;
      const change = async () => {
        changes += 1;
        const title = `title ${changes}`;
        await copy.query((sql) => sql`UPDATE tasks SET title = ${title} WHERE id = ${channel.slice("task:".length)}`);
        await next.push("publications", (_, list: Publication[]) => JSON.stringify(list).includes(`"${title}"`));
      };
      for (let count = 0; count < 5; count += 1) await change();
      await former.lost;
      const publication = { channel, type: "note", payload: null };
      is((await left.refused("publish", publication)).code, "draining", "no client of the new hub would receive it");
      let drained = false;
      const stopped = former.stop().then(() => {
        drained = true;
      });
      while (!drained) await change();
      await stopped;
      ok(changes > 7, `${changes} changes`);
      equal(left.received("publications", channel), []);
    }),
  LIMIT_MS,
);

for (const [name, withUrl] of [
  ["a single Redis", (body: (url: string) => Promise<void>) => withRedis(({ url }) => body(url))],
  ["a cluster", (body: (url: string) => Promise<void>) => withRedisCluster(({ url }) => body(url))],
] as const) {
  test(
    `two databases have separate streams and rosters in ${name}`,
    () =>
      withUrl(async (url) => {
        const brokers = [await brokerOn(url, { identity: "first000" }), await brokerOn(url, { identity: "second00" })];
        const stores = [
          await presenceOn(url, { identity: "first000" }),
          await presenceOn(url, { identity: "second00" }),
        ];
        try {
          const [first, second] = brokers;
          const [here, there] = stores;
          if (!first || !second || !here || !there) throw new Error("too few");
          const [near, far] = [recorder(), recorder()];
          await first.broker.subscribe(message("").channel, near);
          await second.broker.subscribe(message("").channel, far);
          is((await first.broker.publish(message("1"))).offset, 1);
          is((await second.broker.publish(message("1", { payloadJson: "2" }))).offset, 1);
          await until("each received its own", () => near.received.length === 1 && far.received.length === 1);
          is(first.broker.foreignMessages + second.broker.foreignMessages, 0);
          const request = user("c1");
          await here.store.join(request);
          equal((await membersOf(here, request.channel)).length, 1);
          equal(await membersOf(there, request.channel), []);
        } finally {
          await Promise.all([...brokers, ...stores].map((opened) => opened.close()));
        }
      }),
    LIMIT_MS,
  );
}

test.run();
