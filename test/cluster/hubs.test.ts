import { workstationChannel } from "@monster-realtime/client";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { judge } from "../invariants/run.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { everybodyPresent, leavesOf, underLoad, withHubs } from "../support/several-hubs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("several hubs with one Redis", "redis-server");
const LIMIT_MS = 120_000;
const LEASE_MS = 3_000;
const GRACE_MS = 700;
const SLACK_MS = 5_000;

/** Margin for clients that move from node to node on a slow machine. */
const LONG_GRACE = { PRESENCE_GRACE_MS: "10000" };

/** Runs `body` on `count` hubs with one Redis and one Postgres. */
const withNodes = (nodes: number, body: Parameters<typeof withHubs>[1], env = {}) =>
  withHubs({ nodes, redis: true, env }, body);

test(
  "three nodes are replaced one after the other under load: no gap, no leave, no offline row",
  () =>
    withNodes(
      3,
      async (cluster, world) => {
        await everybodyPresent(cluster, world);
        const codes: (number | null)[] = [];
        const replacing = (async () => {
          for (const index of cluster.ports.keys()) codes.push(await cluster.replace(index));
        })();
        is(await underLoad(cluster, world, replacing), 0);
        equal(codes, [0, 0, 0]);
        equal(leavesOf(world), []);
        equal(await judge(world, cluster), []);
      },
      LONG_GRACE,
    ),
  LIMIT_MS,
);

test(
  "a killed node's clients continue elsewhere, and a workstation that does not reconnect leaves once",
  () =>
    withNodes(2, async (cluster, world) => {
      await everybodyPresent(cluster, world);
      const [gone] = world.stations;
      // It never reconnects: its machine died with the node.
      await gone?.client.close({ goodbye: false });
      if (gone) gone.meant = false;
      const killed = cluster.kill(0).then(() => cluster.heal());
      await underLoad(cluster, world, killed);
      const key = `workstation:${gone?.id}`;
      const watching = world.log.subscribers.filter(
        ({ name, organization, channel }) =>
          name.startsWith("subscriber") && organization === gone?.tenant.organization && channel.startsWith("project"),
      );
      const left = ({ roster }: (typeof watching)[number]) =>
        roster.filter((entry) => entry.key === key && entry.kind === "leave").length;
      await until("it has left", () => watching.every((log) => left(log) > 0), LEASE_MS + GRACE_MS + SLACK_MS);
      equal(await judge(world, cluster), []);
      for (const log of watching) is(left(log), 1, log.name);
    }),
  LIMIT_MS,
);

test(
  "a node that hung longer than its lease removes no member when it resumes",
  () =>
    withNodes(2, async (cluster, world) => {
      await everybodyPresent(cluster, world);
      await underLoad(cluster, world, cluster.pause(0, LEASE_MS + 2_000));
      equal(await judge(world, cluster), []);
    }),
  LIMIT_MS,
);

test(
  "after Redis restarts empty, losses are reported, presence is rebuilt, and no row was offline",
  () =>
    withNodes(2, async (cluster, world) => {
      await everybodyPresent(cluster, world);
      world.publish(0, 0, false);
      await world.settle();
      const lost = cluster.loseRedis().then(async () => {
        world.log.streamsLost.push(performance.now());
        await until(
          "all are on every roster again",
          () =>
            world.subscribers.every(({ roster }) => roster?.presence?.synced && roster.presence.members.length === 2),
          LEASE_MS + SLACK_MS,
        );
      });
      is(await underLoad(cluster, world, lost), 0);
      const reported = (): boolean =>
        world.log.subscribers.some(({ seen }) => seen.some((entry) => entry.kind === "start" && entry.lost));
      await until("losses were reported", reported, LEASE_MS);
      equal(await judge(world, cluster), []);
    }),
  LIMIT_MS,
);

test(
  "while Redis hangs publishes are refused in time, connections stay, and nodes catch up afterwards",
  () =>
    withNodes(2, async (cluster, world) => {
      await everybodyPresent(cluster, world);
      const tenant = world.tenants[0];
      const client = new RawClient(`http://127.0.0.1:${cluster.ports[0]}`, { token: cluster.serviceToken });
      await client.welcomed();
      const frozen = cluster.freezeRedis(4_000);
      const startedAt = performance.now();
      const [id, channel] = [ulid(), `task:${tenant?.task}`];
      const body = `${tenant?.organization} ${id}`;
      const refusal = await client.refused("publish", { channel, id, type: "note", payload: { body } });
      // Its outcome is unknown: it may be stored once Redis resumes.
      world.log.published.push({
        publisher: "raw",
        organization: tenant?.organization ?? "",
        channel,
        id,
        body,
        ephemeral: false,
        turn: 1,
        answer: refusal,
      });
      is(refusal.code, "unavailable");
      ok(performance.now() - startedAt < 2_500, `${performance.now() - startedAt} ms`);
      await frozen;
      is(client.disconnectReason, null);
      client.close();
      equal(await judge(world, cluster), []);
    }),
  LIMIT_MS,
);

test(
  "of two connections of one workstation on two nodes the newest owns its presence, and no client sees it leave",
  () =>
    withNodes(
      2,
      async (cluster, world) => {
        const [tenant] = world.tenants;
        const workstation = tenant?.workstations[1] ?? { id: "", token: "" };
        const channel = workstationChannel(workstation.id);
        const watcher = new RawClient(`http://127.0.0.1:${cluster.ports[1]}`, { token: cluster.serviceToken });
        await watcher.welcomed();
        await watcher.request("subscribe", { channel, presence: true });
        for (let round = 0; round < 5; round += 1) {
          const clients = cluster.ports.map(
            (port) => new RawClient(`http://127.0.0.1:${port}`, { token: workstation.token }),
          );
          await Promise.all(clients.map((client) => client.welcomed()));
          await Promise.allSettled(
            clients.map((client, index) => client.joinPresence({ channel, meta: meta({ currentTaskCount: index }) })),
          );
          await until(
            "one is replaced",
            () => clients.filter(({ disconnectReason }) => disconnectReason !== null).length === 1,
          );
          const [replaced] = clients.filter(({ disconnectReason }) => disconnectReason !== null);
          equal(
            replaced?.received("closing").map(([error]) => (error as { code: string }).code),
            ["replaced"],
          );
          const { members } = await watcher.request("presence.list", { channel });
          equal(
            members.map(({ connections }) => connections),
            [1],
          );
          const leaves = watcher
            .received("presence", channel)
            .flatMap(([, diff]) => (diff as { leaves: unknown[] }).leaves);
          is(leaves.length, 0, `round ${round}`);
          // The next round starts with another connection.
          for (const client of clients) if (client.disconnectReason === null) client.cut();
        }
        watcher.close();
      },
      LONG_GRACE,
    ),
  LIMIT_MS,
);

test.run();
