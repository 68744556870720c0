import { is, ok } from "uvu/assert";
import { Reconciler } from "../../hub/presence/reconciler.ts";
import type { Database } from "../../hub/store/database.ts";
import { PresenceRows } from "../../hub/store/presence-rows.ts";
import { PresenceWriter } from "../../hub/store/presence-writer.ts";
import { withDatabase } from "../support/database.ts";
import { type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { recordingLog, rowOf, seedWorkstations } from "../support/workstation-rows.ts";
import { IDENTITY, join, membersOf, type PresenceNode, presenceOn, workstation } from "./redis-presence.ts";

const test = suite("rows of presence in Redis", "redis-server");
const NEVER_MS = 3_600_000;

interface Parts {
  database: Database;
  node: PresenceNode;
  writer: PresenceWriter;
  reconciler: Reconciler;
  server: RedisServer;
  /** A workstation that is connected here, with a row that is online. */
  id: string;
}

/** A node's presence with its write-back; heartbeats and reconciliations run only on request. */
function reconciled(behaviour: string, body: (parts: Parts) => Promise<void>): void {
  test(behaviour, () => withRedis((server) => withDatabase((database) => withRow(server, database, body))));
}

async function withRow(server: RedisServer, database: Database, body: (parts: Parts) => Promise<void>): Promise<void> {
  const { log } = recordingLog();
  const writer: PresenceWriter = new PresenceWriter({
    database,
    intervalMs: 5,
    log,
    onRefused: (...refusal) => reconciler.refused(...refusal),
  });
  const node = await presenceOn(server.url, { settleMs: 0, changed: (presence) => writer.write(presence) });
  const times = { heartbeatMs: NEVER_MS, reconcileMs: NEVER_MS, settleMs: NEVER_MS };
  const rows = new PresenceRows(database);
  const reconciler = new Reconciler({ store: node.store, writer, rows, nodeId: "n", ...times, log });
  try {
    const [id = ""] = await seedWorkstations(database, 1);
    await join(node, workstation("c1", { status: "online" }, id));
    const parts = { database, node, writer, reconciler, server, id };
    await says(parts, "online");
    await body(parts);
  } finally {
    await reconciler.close();
    await writer.close();
    await node.close();
  }
}

const says = ({ database, id }: Parts, status: string) =>
  until(`the row says ${status}`, async () => (await rowOf(database, id)).status === status);

/** Sets the row offline, with a revision a minute ahead of all revisions of Redis. */
async function takeOffline({ database, id }: Parts): Promise<number> {
  const ahead = (Date.now() + 60_000) * 1_000;
  await database.query(
    (sql) => sql`UPDATE workstations SET status = 'offline', presence_revision = ${ahead} WHERE id = ${id}`,
  );
  return ahead;
}

/** Deletes the workstation from Redis, and its revisions; no node is notified. */
async function forget({ server, id }: Parts): Promise<void> {
  const keys = ["records", "entries", "head"].map((part) => `mr:${IDENTITY}:{workstation:${id}}:${part}`);
  is(await server.admin.del(...keys), keys.length);
}

const isThere = async ({ node, id }: Parts) => (await membersOf(node, `workstation:${id}`))[0]?.state === "live";

reconciled("an offline row with a newer revision than its live workstation's becomes online again", async (parts) => {
  const ahead = await takeOffline(parts);
  await parts.reconciler.runOnce();
  await says(parts, "online");
  ok(Number((await rowOf(parts.database, parts.id)).presence_revision) > ahead);
});

reconciled("the same after Redis lost the workstation too, and it is on its roster again", async (parts) => {
  await forget(parts);
  await takeOffline(parts);
  await parts.reconciler.runOnce();
  await says(parts, "online");
  ok(await isThere(parts));
});

reconciled("a connected workstation that is missing in Redis is registered again, not set offline", async (parts) => {
  await forget(parts);
  await parts.reconciler.runOnce();
  ok(await isThere(parts));
  await parts.writer.flush(5_000);
  await says(parts, "online");
});

test.run();
