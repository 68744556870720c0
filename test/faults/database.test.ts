import type { ErrorObject, PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is, match, ok } from "uvu/assert";
import { loadConfig } from "../../hub/config/config.ts";
import { createLogger } from "../../hub/kernel/log.ts";
import type { Development } from "../../hub/node/development.ts";
import { startNode } from "../../hub/node/node.ts";
import type { RunningNode } from "../../hub/node/running-node.ts";
import { Database } from "../../hub/store/database.ts";
import { startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { freezePostgres, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("a hub during an outage of its database");
/** Rights are reloaded so often that an outage of two seconds outlives every cached one. */
const ENV = { RIGHTS_CACHE_MS: "500", HEARTBEAT_INTERVAL_MS: "60000" };
const DATABASE_TIMEOUT_MS = 2_000;

interface Under {
  node: RunningNode;
  development: Development;
  database: Database;
  connect(token: string): Promise<RawClient>;
  stopDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  /** Returns a function that resumes it. */
  freezeDatabase(): () => void;
}

/** A hub of this process on a separate database server, which can be stopped and frozen. */
function withFragileDatabase(body: (under: Under) => Promise<void>, env: Record<string, string> = {}): Promise<void> {
  return withFolder(async (dataDir) => {
    const startServer = () => startEmbeddedPostgres({ dataDir: `${dataDir}/postgres`, fsync: false });
    let server = await startServer();
    const times = { statementTimeoutMs: DATABASE_TIMEOUT_MS, connectTimeoutMs: DATABASE_TIMEOUT_MS };
    const database = new Database({ ...server.connection, max: 5, ...times });
    await migrate(database.unlimited, { embeddedDir: null });
    const config = loadConfig({ PORT: "0", DATA_DIR: dataDir, DEVELOPMENT: "on", ...ENV, ...env });
    const log = createLogger(process.env.TEST_LOG_LEVEL ?? "silent");
    const node = await startNode({ config, log, store: { database, close: async () => undefined } });
    const clients: RawClient[] = [];
    try {
      if (!node.development) throw new Error("development mode is on");
      await body({
        node,
        development: node.development,
        database,
        async connect(token) {
          const client = new RawClient(node.url, { token });
          clients.push(client);
          await client.welcomed();
          return client;
        },
        stopDatabase: () => server.stop(),
        async startDatabase() {
          server = await startServer();
        },
        freezeDatabase: () => freezePostgres(dataDir),
      });
    } finally {
      for (const client of clients) client.close();
      await node.stop({ drain: false });
      await database.close();
      await server.stop();
    }
  });
}

/** A user who watches the workstation's project, and the workstation, present. */
async function startStory({ connect, development }: Under) {
  const { userToken, workstationToken, workstationId, projectId } = development;
  const [viewer, machine] = [await connect(userToken), await connect(workstationToken)];
  const channel = `workstation:${workstationId}`;
  const project = `project:${projectId}:workstations`;
  await viewer.request("subscribe", { channel: project, presence: true });
  await viewer.request("subscribe", { channel });
  await machine.request("presence.join", { channel, meta: meta() });
  await viewer.push("presence");
  return { viewer, machine, channel, project, projectId };
}

type Story = Awaited<ReturnType<typeof startStory>>;

const shows = (currentTaskCount: number) => (_channel: string, diff: PresenceDiff) =>
  diff.updates[0]?.meta.currentTaskCount === currentTaskCount;

/** Everything that must continue, once: a publication, a new subscription, a new connection, presence. */
async function goesOn({ connect, development }: Under, { viewer, machine, channel, project }: Story, round: number) {
  const { offset } = await machine.request("publish", { channel, type: "note", payload: { round } });
  await viewer.push("publications", (_channel: string, pushed: { offset: number }[]) => pushed[0]?.offset === offset);
  await viewer.request("unsubscribe", { channel });
  await viewer.request("subscribe", { channel });
  const late = await connect(development.userToken);
  await late.request("subscribe", { channel: project, presence: true });
  late.close();
  await machine.request("presence.update", { channel, meta: meta({ currentTaskCount: round }) });
  await viewer.push("presence", shows(round));
}

/** The time until an RPC that needs the database is refused as `unavailable`. */
async function refusedAfter({ viewer, projectId }: Story): Promise<number> {
  const askedAt = performance.now();
  const error = await viewer.refused("rpc", { method: "projects.get", params: { id: projectId } });
  equal([error.code, error.temporary], ["unavailable", true]);
  return performance.now() - askedAt;
}

const answers = ({ viewer, projectId }: Story) =>
  viewer.request("rpc", { method: "projects.get", params: { id: projectId } }).then(() => true);

test(
  "stopped: everything without the database continues, RPC is refused immediately, and rows equal presence soon after the restart",
  () =>
    withFragileDatabase(async (under) => {
      const { node, database, development } = under;
      const story = await startStory(under);
      await until("the join is written", () => node.writer.pending === 0);
      await under.stopDatabase();
      const stoppedAt = performance.now();
      for (let round = 1; performance.now() - stoppedAt < 2_500; round += 1) {
        ok((await refusedAfter(story)) < DATABASE_TIMEOUT_MS);
        await goesOn(under, story, round);
      }
      const unready = await fetch(`${node.url}/readyz`);
      const { status, faults } = (await unready.json()) as { status: string; faults: Record<string, string> };
      equal([unready.status, status, Object.keys(faults)], [503, "not ready", ["database", "serving"]]);
      // The error names the problem in a sentence, without the database's address or user.
      match(faults.database ?? "", /^The database [^@/]+\.$/);
      is((await fetch(`${node.url}/healthz`)).status, 200);
      await story.machine.request("presence.update", { channel: story.channel, meta: meta({ status: "busy" }) });
      is(node.writer.pending, 1, "one state per workstation waits, regardless of the number of updates");

      await under.startDatabase();
      await until("the pending state is written", () => node.writer.pending === 0, 10_000);
      await until("RPC works again", () => answers(story));
      await until("it is ready", async () => (await fetch(`${node.url}/readyz`)).status === 200);
      const row = await rowOf(database, development.workstationId);
      equal([row.status, row.realtime_presence_meta], ["online", meta({ status: "busy" })]);
      equal(
        (await transitionsOf(database, development.workstationId)).map(({ after }) => after.presence),
        ["online"],
      );
      for (const client of [story.viewer, story.machine]) is(client.disconnectReason, null);
    }),
  40_000,
);

test(
  "frozen: RPC is refused in two seconds, everything else continues, and the hub recovers by itself",
  () =>
    withFragileDatabase(async (under) => {
      const { node, database, development } = under;
      const story = await startStory(under);
      await until("the join is written", () => node.writer.pending === 0);
      const thaw = under.freezeDatabase();
      try {
        const refusals = [refusedAfter(story), refusedAfter(story)];
        const startedAt = performance.now();
        await goesOn(under, story, 1);
        ok(performance.now() - startedAt < 1_000, "cached rights don't wait for the database");
        for (const took of await Promise.all(refusals)) ok(took > 1_500 && took < 2_500, `${took} ms`);
        ok((await refusedAfter(story)) < 2_500, "the next one too");
        await goesOn(under, story, 2);
        is((await fetch(`${node.url}/readyz`)).status, 503);
      } finally {
        thaw();
      }
      await until("RPC works again", () => answers(story), 10_000);
      await until("the pending state is written", () => node.writer.pending === 0, 10_000);
      const row = await rowOf(database, development.workstationId);
      equal([row.status, row.realtime_presence_meta], ["online", meta({ currentTaskCount: 2 })]);
      for (const client of [story.viewer, story.machine]) is(client.disconnectReason, null);
    }),
  40_000,
);

test(
  "longer than the outage limit: connections end temporarily, and their presence gets the usual grace time",
  () =>
    withFragileDatabase(
      async (under) => {
        const { node, development } = under;
        const { machine, channel } = await startStory(under);
        const diffs: PresenceDiff[] = [];
        await node.hub.services.presence.watch(channel, (_channel, diff) => void diffs.push(diff));
        await under.stopDatabase();
        const [error] = (await machine.push("closing", () => true, 15_000)) as [ErrorObject];
        equal([error.code, error.temporary], ["unavailable", true]);
        const leaves = () => diffs.flatMap((diff) => diff.leaves);
        await until("the presence has ended", () => leaves().length > 0);
        equal(leaves(), [{ key: `workstation:${development.workstationId}`, reason: "timeout" }]);
        is(diffs.flatMap(({ updates }) => updates).at(-1)?.state, "suspect");

        await under.startDatabase();
        const back = await until("it may connect again", () => under.connect(development.workstationToken));
        await back.request("presence.join", { channel, meta: meta() });
        await until("it is present again", () => diffs.at(-1)?.joins.length === 1);
      },
      { DATABASE_OUTAGE_MS: "5000", PRESENCE_GRACE_MS: "500" },
    ),
  40_000,
);

test.run();
