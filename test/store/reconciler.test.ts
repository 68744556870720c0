import { workstationChannel } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import type { NodePresence } from "../../hub/presence/node-presence.ts";
import { Reconciler } from "../../hub/presence/reconciler.ts";
import type { Database } from "../../hub/store/database.ts";
import { PresenceRows } from "../../hub/store/presence-rows.ts";
import { PresenceWriter } from "../../hub/store/presence-writer.ts";
import { withDatabase } from "../support/database.ts";
import { lonePresenceWith } from "../support/lone-presence.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  presenceOf,
  recordingLog,
  rowOf,
  rowsOf,
  seedWorkstations,
  transitionsOf,
  withWriter,
} from "../support/workstation-rows.ts";

const test = suite("presence reconciliation");
const FLUSH_MS = 5_000;
const NODE = "node-1";

interface Hub {
  store: NodePresence;
  writer: PresenceWriter;
  reconciler: Reconciler;
  join(workstationId: string, meta?: Record<string, unknown>): Promise<unknown>;
}

interface Times {
  heartbeatMs?: number;
  reconcileMs?: number;
  settleMs?: number;
  intervalMs?: number;
}

/** Store, writer and reconciler, connected as in the hub. */
async function withHub(database: Database, body: (hub: Hub) => Promise<void>, times: Times = {}): Promise<void> {
  const { log } = recordingLog();
  const writer: PresenceWriter = new PresenceWriter({
    database,
    intervalMs: times.intervalMs ?? 5,
    log,
    onRefused: (...refusal) => reconciler.refused(...refusal),
  });
  const store = lonePresenceWith({
    nodeId: NODE,
    graceMs: 60_000,
    events: { workstationChanged: (presence) => writer.write(presence) },
  });
  const reconciler = new Reconciler({
    store,
    writer,
    rows: new PresenceRows(database),
    nodeId: NODE,
    heartbeatMs: times.heartbeatMs ?? 60_000,
    reconcileMs: times.reconcileMs ?? 60_000,
    settleMs: times.settleMs ?? 60_000,
    log,
  });
  const join = async (workstationId: string, meta: Record<string, unknown> = { status: "online" }) => {
    const client = { ipAddress: null, userAgent: null, cliVersion: null };
    const ticket = await store.admit(workstationId);
    return store.join({
      channel: workstationChannel(workstationId),
      connectionId: `connection of ${workstationId}`,
      key: `workstation:${workstationId}`,
      memberKey: { workstationId },
      meta,
      workstation: { projectIds: [], client, ticket },
    });
  };
  try {
    await store.start();
    await body({ store, writer, reconciler, join });
  } finally {
    await reconciler.close();
    await writer.close();
    await store.close();
  }
}

/** Rows left online by a hub that died. */
async function leaveOnline(database: Database, ids: readonly string[], revision = 1): Promise<void> {
  await withWriter(database, async ({ writer }) => {
    for (const id of ids) writer.write(presenceOf(id, revision, { meta: { status: "busy", note: "kept" } }));
    await writer.flush(FLUSH_MS);
  });
}

test("rows left online by a hub that died go offline, and keep their other columns", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 3);
    await leaveOnline(database, ids);
    const [before] = await rowsOf(database, ids);
    await withHub(database, async ({ reconciler, writer }) => {
      await reconciler.runOnce();
      await writer.flush(FLUSH_MS);
    });
    const [row, ...others] = await rowsOf(database, ids);
    ok(others.every(({ status }) => status === "offline"));
    equal(row?.realtime_presence_meta, { status: "offline", note: "kept" });
    equal(
      [row?.status, row?.last_seen_at, row?.last_ip_address, row?.realtime_member_key],
      ["offline", before?.last_seen_at, before?.last_ip_address, before?.realtime_member_key],
    );
    const last = (await transitionsOf(database, ids[0] ?? "")).at(-1);
    equal([last?.before.presence, last?.after.presence, last?.after.reason], ["online", "offline", "node_lost"]);
  }));

test("more rows than one batch are all set offline", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 2_100);
    await database.query((sql) => sql`UPDATE workstations SET status = 'online'`);
    await withHub(database, async ({ reconciler, writer }) => {
      await reconciler.runOnce();
      await writer.flush(FLUSH_MS);
    });
    ok((await rowsOf(database, ids)).every(({ status }) => status === "offline"));
  }));

test("a live workstation whose row says offline becomes online; a suspended one stays suspended", () =>
  withDatabase(async (database) => {
    const [first = "", second = "", third = ""] = await seedWorkstations(database, 3);
    await withHub(database, async ({ reconciler, writer, join }) => {
      await Promise.all([join(first), join(second), join(third, { status: "offline" })]);
      await writer.flush(FLUSH_MS);
      await database.query((sql) => sql`UPDATE workstations SET status = 'offline' WHERE id = ${first}`);
      await database.query((sql) => sql`UPDATE workstations SET status = 'suspended' WHERE id = ${second}`);
      await reconciler.runOnce();
      await writer.flush(FLUSH_MS);
    });
    equal(
      (await rowsOf(database, [first, second, third])).map(({ status }) => status),
      ["online", "suspended", "offline"],
    );
  }));

test("a workstation that joins while it is being set offline stays online", () =>
  withDatabase(async (database) => {
    const [id = ""] = await seedWorkstations(database, 1);
    await leaveOnline(database, [id]);
    await withHub(database, async ({ store, writer, join }) => {
      const [minted] = await store.mintAbsent([id]);
      if (!minted) throw new Error("the workstation should have been absent");
      await join(id);
      await writer.flush(FLUSH_MS);
      writer.writeAbsent({ ...minted, nodeId: NODE, at: Date.now() });
      await writer.flush(FLUSH_MS);
      is((await rowOf(database, id)).status, "online");
    });
  }));

test("joins and leaves during reconciliation leave every row correct", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 60);
    await leaveOnline(database, ids);
    await withHub(database, async ({ store, reconciler, writer, join }) => {
      const changes = ids.map(async (id, index) => {
        if (index % 3 === 0) return;
        await join(id);
        if (index % 3 === 2) await store.leave(workstationChannel(id), `connection of ${id}`, "left");
      });
      await Promise.all([reconciler.runOnce(), ...changes, reconciler.runOnce()]);
      await until("all is written", () => writer.pending === 0);
    });
    for (const [index, { status }] of (await rowsOf(database, ids)).entries()) {
      is(status, index % 3 === 1 ? "online" : "offline", `workstation ${index}`);
    }
  }));

test("a row with a higher revision than the hub's counter takes the live state nevertheless", () =>
  withDatabase(async (database) => {
    const [first = "", second = ""] = await seedWorkstations(database, 2);
    const ahead = (Date.now() + 3_600_000) * 1_000;
    await leaveOnline(database, [first, second], ahead);
    await withHub(database, async ({ store, reconciler, writer, join }) => {
      await join(first, { status: "busy", now: true });
      await reconciler.runOnce();
      await until("both rows are correct", async () => {
        const [one, two] = await rowsOf(database, [first, second]);
        return one && two && one.presence_revision > ahead && two.presence_revision > ahead && writer.pending === 0;
      });
      equal((await rowOf(database, first)).realtime_presence_meta, { status: "busy", now: true });
      equal(
        (await rowsOf(database, [first, second])).map(({ status }) => status),
        ["online", "offline"],
      );
      await store.leave(workstationChannel(first), `connection of ${first}`, "left");
      await until("the leave is written", async () => (await rowOf(database, first)).status === "offline");
    });
  }));

test("a heartbeat restores a live workstation's row and moves its times", () =>
  withDatabase(async (database) => {
    const [id = ""] = await seedWorkstations(database, 1);
    await withHub(
      database,
      async ({ reconciler, writer, join }) => {
        await join(id);
        await writer.flush(FLUSH_MS);
        const before = await rowOf(database, id);
        await database.query((sql) => sql`UPDATE workstations SET status = 'offline' WHERE id = ${id}`);
        reconciler.start();
        await until("the heartbeat is written", async () => {
          const row = await rowOf(database, id);
          const moved = Number(row.last_seen_at) > Number(before.last_seen_at);
          return moved && Number(row.last_heartbeat_at) > Number(before.last_heartbeat_at) && row.status === "online";
        });
      },
      { heartbeatMs: 60 },
    );
  }));

test("heartbeats of many workstations are spread over the time between two", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 300);
    await withHub(
      database,
      async ({ reconciler, writer, join }) => {
        await Promise.all(ids.map((id) => join(id)));
        await writer.flush(FLUSH_MS);
        const largest: number[] = [];
        reconciler.start();
        const before = writer.statements;
        await until("every workstation had a heartbeat", async () => {
          largest.push(writer.pending);
          const rows = await rowsOf(database, ids);
          return (
            rows.every((row) => Number(row.last_heartbeat_at) > Number(row.last_seen_at) - 1 && row.last_seen_at) &&
            writer.statements > before + 30
          );
        });
        ok(Math.max(...largest) < 150, `${Math.max(...largest)} at once`);
      },
      { heartbeatMs: 600 },
    );
  }));

test("nothing is set offline before the hub has settled", () =>
  withDatabase(async (database) => {
    const [id = ""] = await seedWorkstations(database, 1);
    await leaveOnline(database, [id]);
    await withHub(
      database,
      async ({ reconciler }) => {
        const start = performance.now();
        reconciler.start();
        await until("the row is offline", async () => (await rowOf(database, id)).status === "offline");
        ok(performance.now() - start >= 300);
      },
      { settleMs: 300, reconcileMs: 20 },
    );
  }));

test.run();
