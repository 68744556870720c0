import { setTimeout as pause } from "node:timers/promises";
import { taskChannel } from "@monster-realtime/client";
import { ulid } from "ulid";
import { equal, is, not, ok } from "uvu/assert";
import type { TestCluster } from "../invariants/nodes.ts";
import { judge } from "../invariants/run.ts";
import type { World } from "../invariants/world.ts";
import { type Cable, withCable } from "../support/faults-network.ts";
import { RawClient } from "../support/raw-client.ts";
import { RedisServer } from "../support/redis.ts";
import {
  everybodyKnown,
  everybodyPresent,
  noneLeft,
  timesOffline,
  underLoad,
  withHubs,
} from "../support/several-hubs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("hubs that silently can't reach their Redis", "redis-server", "ip", "nft", "network namespaces");
const LIMIT_MS = 90_000;
const REFUSED_MS = 2_000;
const PAUSE_MS = 100;
const HEALED_MS = 5_000;
const LEASE_MS = 4_000;
const GRACE_MS = 3_000;
/** The time after which the workstations of a lost node leave. */
const GONE_MS = LEASE_MS + GRACE_MS;
/** A lease may be a third old when the node is cut off: no member leaves within this time. */
const SHORT_CUT_MS = GONE_MS - LEASE_MS / 3 - 1_000;
const ENV = { NODE_LEASE_MS: String(LEASE_MS), PRESENCE_GRACE_MS: String(GRACE_MS), LOG_LEVEL: "error" };

interface Story {
  cable: Cable;
  cluster: TestCluster;
  world: World;
  /** One client of each hub, on the first organization's task. */
  clients: [RawClient, RawClient];
  channel: string;
}

/** Two hubs, which reach their Redis over a cable by separate addresses. All machines are present. */
function withFarRedis(body: (story: Story) => Promise<void>): Promise<void> {
  return withCable(async (cable) => {
    const server = await RedisServer.start([], { inside: cable.inside, hosts: cable.far });
    const envOf = (index: number) => ({ REDIS_URL: server.urlAt(cable.far[index] ?? "") });
    try {
      await withHubs({ nodes: 2, redis: server, env: ENV, envOf }, (cluster, world) =>
        runStory(cable, cluster, world, body),
      );
    } finally {
      await server.stop();
    }
  });
}

/** The observations are checked like those of random runs. */
async function runStory(cable: Cable, cluster: TestCluster, world: World, body: (story: Story) => Promise<void>) {
  await everybodyPresent(cluster, world);
  const channel = taskChannel(world.tenants[0]?.task ?? "");
  const connect = (port: number | undefined) =>
    new RawClient(`http://127.0.0.1:${port}`, { token: cluster.serviceToken });
  const clients: [RawClient, RawClient] = [connect(cluster.ports[0]), connect(cluster.ports[1])];
  try {
    for (const client of clients) {
      await client.welcomed();
      await client.request("subscribe", { channel });
    }
    await body({ cable, cluster, world, clients, channel });
    for (const client of clients) client.close();
    equal(await judge(world, cluster), []);
  } finally {
    for (const client of clients) client.close();
  }
}

/** Publishes as a client of the world, and records it for the checks; returns the result. */
async function publish({ world, channel }: Story, client: RawClient) {
  const organization = world.tenants[0]?.organization ?? "";
  const id = ulid();
  const body = `${organization} ${id}`;
  const ack = await client.ack("publish", { channel, id, type: "note", payload: { body } });
  const answer = ack.ok
    ? { ...(ack.data as { epoch: string; offset: number }), duplicate: false, at: performance.now() }
    : ack.error;
  world.log.published.push({ publisher: id, organization, channel, id, body, ephemeral: false, turn: 1, answer });
  return answer;
}

/** Publishes until `ms` have passed since `since`; each attempt must be refused in time. */
async function refusedFor(story: Story, client: RawClient, since: number, ms: number): Promise<void> {
  while (performance.now() - since < ms) {
    const askedAt = performance.now();
    const answer = await publish(story, client);
    const tookMs = performance.now() - askedAt;
    is("code" in answer && answer.code, "unavailable");
    ok(tookMs < REFUSED_MS, `refused after ${tookMs} ms`);
    // Without any connection, refusals are immediate.
    await pause(PAUSE_MS);
  }
}

/** Its offset, once it is accepted again. */
const published = (story: Story, client: RawClient) =>
  until(
    "it is published again",
    async () => {
      const answer = await publish(story, client);
      return "offset" in answer ? answer.offset : null;
    },
    HEALED_MS,
  );

/** Offsets of the client's publications on the channel. */
const offsetsOf = ({ channel }: Story, client: RawClient) =>
  client
    .received("publications", channel)
    .flatMap(([, pushed]) => (pushed as { offset: number }[]).map(({ offset }) => offset));

const isGapless = (offsets: number[]) => offsets.every((offset, index) => offset === (offsets[0] ?? 0) + index);

/** The returned function checks that since this call no connection and no hub has ended, and no workstation has left. */
function observe(story: Story): () => Promise<void> {
  const { cluster, world, clients } = story;
  const pids = cluster.pids;
  let lost = 0;
  for (const { client } of world.parties) {
    client.on("state", (_state, previous) => {
      if (previous.name === "connected") lost += 1;
    });
  }
  return async () => {
    noHubEnded(cluster, pids);
    equal([lost, ...clients.map(({ disconnectReason }) => disconnectReason)], [0, null, null]);
    for (const client of clients) {
      const offsets = offsetsOf(story, client);
      ok(isGapless(offsets), offsets.join());
    }
    await everybodyKnown(cluster, world);
    await noneLeft(cluster, world);
  };
}

/** No hub ended, and no rejection was unhandled. */
function noHubEnded({ pids, output }: TestCluster, before: (number | undefined)[]): void {
  equal(pids, before);
  not.match(output, "unhandled promise rejection");
}

test(
  "both for longer than their leases: publishes are refused in time, all clients stay, and catch up soon after",
  () =>
    withFarRedis(async (story) => {
      const { cable, cluster, world, clients } = story;
      const nothingWasLost = observe(story);
      cable.drop(...cable.far);
      const outage = (async () => {
        const cutAt = performance.now();
        await Promise.all(clients.map((client) => refusedFor(story, client, cutAt, LEASE_MS + 1_000)));
        cable.pass();
        const healedAt = performance.now();
        const last = Math.max(...(await Promise.all(clients.map((client) => published(story, client)))));
        const reached = () => clients.every((client) => offsetsOf(story, client).includes(last));
        await until("both received both", reached, HEALED_MS);
        ok(performance.now() - healedAt < HEALED_MS, `${performance.now() - healedAt} ms`);
        // Members that are wrongly removed leave within this time.
        await pause(GONE_MS);
      })();
      is(await underLoad(cluster, world, outage, PAUSE_MS), 0);
      await nothingWasLost();
    }),
  LIMIT_MS,
);

test(
  "one alone: its subscribers get the other's publications afterwards, in order, and its workstations never leave",
  () =>
    withFarRedis(async (story) => {
      const { cable, clients } = story;
      const nothingWasLost = observe(story);
      const [near, far] = clients;
      cable.drop(cable.far[0]);
      const cutAt = performance.now();
      const receivedBefore = offsetsOf(story, near).length;
      const others = async () => {
        let last = 0;
        for (let round = 0; round < 20; round += 1) {
          const answer = await publish(story, far);
          if ("offset" in answer) last = answer.offset;
        }
        return last;
      };
      const [last] = await Promise.all([others(), refusedFor(story, near, cutAt, SHORT_CUT_MS)]);
      is(offsetsOf(story, near).length, receivedBefore, "it really was cut off");
      cable.pass();
      await until("missed publications are received", () => offsetsOf(story, near).includes(last), HEALED_MS);
      await published(story, near);
      await pause(GONE_MS);
      await nothingWasLost();
    }),
  LIMIT_MS,
);

test(
  "one alone for longer than lease and grace: its workstations leave, and return with it",
  () =>
    withFarRedis(async (story) => {
      const { cable, cluster, world } = story;
      const pids = cluster.pids;
      cable.drop(cable.far[0]);
      await until("its workstations have left", async () => (await timesOffline(cluster, world)) === 2, 2 * GONE_MS);
      cable.pass();
      await everybodyKnown(cluster, world, HEALED_MS + LEASE_MS);
      noHubEnded(cluster, pids);
    }),
  LIMIT_MS,
);

test.run();
