import { setTimeout as pause } from "node:timers/promises";
import {
  type Member,
  type PresenceDiff,
  projectWorkstationsChannel,
  workstationChannel,
} from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, match, ok } from "uvu/assert";
import { type TestCluster, TIMES } from "../invariants/nodes.ts";
import { judge } from "../invariants/run.ts";
import type { World } from "../invariants/world.ts";
import { clockEnv } from "../support/faked-clock.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { everybodyPresent, noneLeft, withHubs } from "../support/several-hubs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("hubs with wrong clocks", "redis-server", "faketime");
const LIMIT_MS = 60_000;
/** The error of each hub's clock: four minutes between the two. */
const [AHEAD, BEHIND] = [120, -120];
const LEEWAY_S = 5;
/** Long, because no test here is about them: on a busy machine a client may reconnect later than the cluster's short ones. */
const PATIENCE = { PING_INTERVAL_MS: "5000", PING_TIMEOUT_MS: "5000", PRESENCE_GRACE_MS: "10000" };
const UPDATES = 5;

interface Clocks {
  cluster: TestCluster;
  world: World;
  /** A client of the hub that is ahead, or behind; closed at the end. */
  connect(hub: "ahead" | "behind", token: string): Promise<RawClient>;
}

/** Two hubs on one Redis and one Postgres with correct clocks. The observations are checked at the end. */
function withWrongClocks(body: (clocks: Clocks) => Promise<void>): Promise<void> {
  const envOf = (index: number) => ({ ...PATIENCE, ...clockEnv(index === 0 ? AHEAD : BEHIND) });
  return withHubs({ nodes: 2, redis: true, envOf }, async (cluster, world) => {
    const clients: RawClient[] = [];
    const closeAll = () => {
      for (const client of clients) client.close();
    };
    const connect = async (hub: "ahead" | "behind", token: string) => {
      const client = new RawClient(`http://127.0.0.1:${cluster.ports[hub === "ahead" ? 0 : 1]}`, { token });
      clients.push(client);
      await client.welcomed();
      return client;
    };
    try {
      await body({ cluster, world, connect });
      closeAll();
      equal(await judge(world, cluster), []);
    } finally {
      closeAll();
    }
  });
}

const nowSeconds = () => Math.floor(Date.now() / 1_000);

async function refusalOf(connecting: Promise<RawClient>): Promise<string> {
  return connecting.then(
    () => "it was not refused",
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );
}

test(
  "a workstation that moves from one to the other and back is listed and written with its last state, and leaves once",
  () =>
    withWrongClocks(async ({ cluster, world, connect }) => {
      const [tenant] = world.tenants;
      const { id, token } = tenant?.workstations[0] ?? { id: "", token: "" };
      const [channel, project] = [workstationChannel(id), projectWorkstationsChannel(tenant?.project ?? "")];
      const watchers = [await connect("ahead", cluster.serviceToken), await connect("behind", cluster.serviceToken)];
      for (const watcher of watchers) await watcher.request("subscribe", { channel: project, presence: true });

      const shownBy = async (watcher: RawClient): Promise<Member | undefined> =>
        (await watcher.request("presence.list", { channel: project })).members[0];
      /** Every roster and the row have this count, and both hubs have published it. */
      const agreeOn = async (count: number) => {
        for (const watcher of watchers) {
          await until(`${count} is listed`, async () => (await shownBy(watcher))?.meta.currentTaskCount === count);
          const shows = (_: string, { joins, updates }: PresenceDiff) =>
            [...joins, ...updates].some(({ meta: reported }) => reported.currentTaskCount === count);
          await watcher.push("presence", shows);
        }
        const written = async () => {
          const { status, realtime_presence_meta: row } = await rowOf(cluster.database, id);
          return status === "online" && (row as { currentTaskCount: number }).currentTaskCount === count;
        };
        await until(`${count} is written`, written);
      };

      let count = 0;
      let before: RawClient | null = null;
      for (const hub of ["ahead", "behind", "ahead", "behind"] as const) {
        const machine = await connect(hub, token);
        await machine.request("presence.join", { channel, meta: meta({ currentTaskCount: ++count }) });
        await agreeOn(count);
        const replaced = before;
        if (replaced) await until("the previous connection is replaced", () => replaced.disconnectReason !== null);
        for (let update = 0; update < UPDATES; update += 1) {
          await machine.request("presence.update", { channel, meta: meta({ currentTaskCount: ++count }) });
        }
        await agreeOn(count);
        // Heartbeats and reconciliation of both hubs do not change it.
        await pause(Number(TIMES.HEARTBEAT_INTERVAL_MS));
        await agreeOn(count);
        before = machine;
      }
      equal(
        (await transitionsOf(cluster.database, id)).map(({ after }) => after.presence),
        ["online"],
      );

      // It drops its connection to the hub that is behind, and reconnects to the one that is ahead.
      before?.cut();
      const back = await connect("ahead", token);
      await back.request("presence.join", { channel, meta: meta({ currentTaskCount: ++count }) });
      await agreeOn(count);
      await back.request("presence.leave", { channel });
      for (const watcher of watchers) {
        await watcher.push("presence", (_: string, { leaves }: PresenceDiff) => leaves[0]?.reason === "left");
        equal((await watcher.request("presence.list", { channel: project })).members, []);
        const leaves = watcher.received("presence", project).flatMap(([, diff]) => (diff as PresenceDiff).leaves);
        is(leaves.length, 1);
      }
      await until("the row is offline", async () => (await rowOf(cluster.database, id)).status === "offline");
    }),
  LIMIT_MS,
);

test(
  "publications of both have one order on both, and clients that keep moving between them miss and lose nothing",
  () =>
    withWrongClocks(async ({ cluster, world, connect }) => {
      const clients = [await connect("ahead", cluster.serviceToken), await connect("behind", cluster.serviceToken)];
      for (const [index, client] of clients.entries()) {
        const { serverTime } = await client.welcomed();
        const wrongBy = (serverTime - Date.now()) / 1_000;
        const meant = index === 0 ? AHEAD : BEHIND;
        ok(Math.abs(wrongBy - meant) < 10, `the clock of hub ${index} is wrong by ${wrongBy} s`);
      }
      // No publisher of the world uses this channel: the second organization's other workstation has no subscribers.
      const channel = workstationChannel(world.tenants[1]?.workstations[1]?.id ?? "");
      for (const client of clients) await client.request("subscribe", { channel });
      const ids: string[] = [];
      for (let round = 0; round < 20; round += 1) {
        for (const client of clients) {
          const id = ulid();
          ids.push(id);
          await client.request("publish", { channel, id, type: "note", payload: round });
        }
      }
      const receivedBy = (client: RawClient) =>
        client
          .received("publications", channel)
          .flatMap(([, pushed]) => (pushed as { id: string }[]).map(({ id }) => id));
      for (const client of clients) {
        await until("all publications are received", () => receivedBy(client).length === ids.length);
        equal(receivedBy(client), ids);
      }

      await everybodyPresent(cluster, world);
      for (let round = 0; round < 30; round += 1) {
        world.publish(round, round, round % 3 === 0);
        world.cut(round);
        world.join(round, round);
        await pause(50);
      }
      await world.settle();
      await noneLeft(cluster, world);
    }),
  LIMIT_MS,
);

test("a token issued in the future within the leeway is accepted, and one beyond it is refused for its iat", () =>
  withWrongClocks(async ({ cluster, connect }) => {
    const mint = (issuedAt: number, ttlSeconds: number) =>
      cluster.issuer.mint({ subject: "punctual", email: "punctual@test.invalid", issuedAt, ttlSeconds });
    const hour = 3_600;
    await connect("behind", await mint(nowSeconds() + BEHIND + LEEWAY_S - 1, hour));
    const fresh = await mint(nowSeconds(), hour);
    match(await refusalOf(connect("behind", fresh)), /^unauthenticated: .*its iat lies in the future/);
    await connect("ahead", fresh);
    const short = await mint(nowSeconds(), AHEAD / 2);
    match(await refusalOf(connect("ahead", short)), /^token_expired: /);
  }));

test.run();
