import * as fc from "fast-check";
import { equal, is, ok } from "uvu/assert";
import type { WorkstationPresence } from "../../hub/presence/presence.ts";
import type { Database } from "../../hub/store/database.ts";
import { isNewer, kindOf, type PresenceOrder } from "../../hub/store/presence-row.ts";
import { drawPresenceGeneration, PresenceRows } from "../../hub/store/presence-rows.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  absent,
  presenceOf,
  rowOf,
  rowsOf,
  seedWorkstations,
  transitionsOf,
  withWriter,
} from "../support/workstation-rows.ts";

const test = suite("presence write-back");
const FLUSH_MS = 5_000;

/** The single id of a seed. */
async function seedOne(database: Database): Promise<string> {
  const [id] = await seedWorkstations(database, 1);
  if (!id) throw new Error("nothing was seeded");
  return id;
}

/** The generation and the revision of a row. */
async function orderOf(database: Database, id: string): Promise<PresenceOrder | undefined> {
  const [order] = await database.query(
    (sql) => sql<PresenceOrder[]>`
      SELECT presence_generation::float8 AS generation, presence_revision::float8 AS revision
      FROM workstations WHERE id = ${id}`,
  );
  return order;
}

test("a live presence fills every column of its row", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    const before = await rowOf(database, id);
    await withWriter(database, async ({ writer }) => {
      const meta = {
        status: "busy",
        availableAgents: ["claude-code"],
        activeProjects: [],
        devServerPort: 4100,
        own: 1,
      };
      const presence = presenceOf(id, 7, {
        meta,
        memberKey: { workstationId: id, userId: "user_1" },
        client: { ipAddress: "::ffff:10.1.2.3", userAgent: "agent/2", cliVersion: "2.0.0" },
      });
      writer.write(presence);
      await writer.flush(FLUSH_MS);
      const at = new Date(presence.at);
      equal(await rowOf(database, id), {
        ...before,
        status: "online",
        presence_revision: 7,
        last_seen_at: at,
        last_heartbeat_at: at,
        realtime_member_key: { workstationId: id, userId: "user_1" },
        realtime_presence_meta: meta,
        dev_server_enabled: true,
        dev_server_port: 4100,
        last_ip_address: "10.1.2.3",
        last_user_agent: "agent/2",
        cli_version: "2.0.0",
      });
    });
  }));

test("a workstation that leaves is offline and keeps its last meta with the status replaced", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(id, 1, { meta: { status: "busy", devServerPort: 80 } }));
      await writer.flush(FLUSH_MS);
      writer.write(absent(id, 2, { meta: { status: "busy", devServerPort: 80 } }));
      await writer.flush(FLUSH_MS);
    });
    const row = await rowOf(database, id);
    equal([row.status, row.dev_server_enabled], ["offline", false]);
    equal(row.realtime_presence_meta, { status: "offline", devServerPort: 80 });
  }));

test("a present workstation that calls itself offline has an offline row; a suspect one stays online", () =>
  withDatabase(async (database) => {
    const [first = "", second = ""] = await seedWorkstations(database, 2);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(first, 1, { meta: { status: "offline" } }));
      writer.write(presenceOf(second, 1, { state: "suspect" }));
      await writer.flush(FLUSH_MS);
    });
    equal(
      (await rowsOf(database, [first, second])).map(({ status }) => status),
      ["offline", "online"],
    );
  }));

test("values that don't fit a column are left out, and the rest is written", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(id, 1));
      await writer.flush(FLUSH_MS);
      const client = { ipAddress: "not an address", userAgent: null, cliVersion: "1.0.0-with-a-very-long-suffix" };
      writer.write(presenceOf(id, 2, { client, meta: { status: "online", devServerPort: 70_000 } }));
      await writer.flush(FLUSH_MS);
    });
    const row = await rowOf(database, id);
    equal(
      [row.presence_revision, row.last_ip_address, row.dev_server_port, row.dev_server_enabled],
      [2, null, null, false],
    );
    is(row.cli_version, "1.0.0", "a version that doesn't fit leaves the last one that did");
  }));

test("10,000 states of 100 workstations become a single statement", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 100);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(ids[0] ?? "", 1));
      await writer.flush(FLUSH_MS);
      for (let revision = 2; revision <= 101; revision += 1)
        for (const id of ids) writer.write(presenceOf(id, revision));
      is(writer.pending, 100);
      await writer.flush(FLUSH_MS);
      is(writer.statements, 2);
      is(writer.pending, 0);
      ok((writer.lastFlushMs ?? 0) > 0);
    });
    ok((await rowsOf(database, ids)).every((row) => row.presence_revision === 101));
  }));

test("a second of continuous changes costs a handful of statements, and nothing is sent while there are none", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 50);
    await withWriter(
      database,
      async ({ writer }) => {
        const start = performance.now();
        let revision = 0;
        await until("a second of changes", () => {
          revision += 1;
          for (const id of ids) writer.write(presenceOf(id, revision));
          return performance.now() - start > 1_000;
        });
        await until("everything is written", () => writer.pending === 0);
        ok(writer.statements <= 7, `${writer.statements} statements`);
        ok((await rowsOf(database, ids)).every((row) => row.presence_revision === revision));
      },
      { intervalMs: 250 },
    );
  }));

test("more rows than one statement takes are written by several", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 25);
    await withWriter(
      database,
      async ({ writer }) => {
        for (const id of ids) writer.write(presenceOf(id, 1));
        await writer.flush(FLUSH_MS);
        is(writer.statements, 3);
      },
      { maxRows: 10 },
    );
    ok((await rowsOf(database, ids)).every(({ status }) => status === "online"));
  }));

test("an older revision is dropped before the flush and rejected by the row after it", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer, refusals }) => {
      writer.write(presenceOf(id, 9, { meta: { status: "busy" } }));
      writer.write(absent(id, 8));
      await writer.flush(FLUSH_MS);
      equal(refusals, []);
      const late = absent(id, 5);
      writer.write(late);
      await writer.flush(FLUSH_MS);
      equal(refusals, [{ workstationId: id, row: { generation: 1, revision: 9 }, presence: late }]);
    });
    const row = await rowOf(database, id);
    equal([row.status, row.presence_revision], ["online", 9]);
    is((await transitionsOf(database, id)).length, 1);
  }));

test("a late state of an older generation is rejected, however high its revision is", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer, refusals }) => {
      writer.write(presenceOf(id, 3, { generation: 2 }));
      writer.write(absent(id, 8, { generation: 1 }));
      await writer.flush(FLUSH_MS);
      equal(refusals, [], "dropped before the flush");
      const late = absent(id, 9, { generation: 1 });
      writer.write(late);
      await writer.flush(FLUSH_MS);
      writer.writeAbsent({ workstationId: id, generation: 1, revision: 10, nodeId: "node-1", at: 0 });
      await writer.flush(FLUSH_MS);
      equal(refusals, [
        { workstationId: id, row: { generation: 2, revision: 3 }, presence: late },
        { workstationId: id, row: { generation: 2, revision: 3 }, presence: null },
      ]);
    });
    is((await rowOf(database, id)).status, "online");
    equal(await orderOf(database, id), { generation: 2, revision: 3 });
    is((await transitionsOf(database, id)).length, 1);
  }));

test("a state of a later generation is written, however low its revision is", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer, refusals }) => {
      writer.write(presenceOf(id, 9, { generation: 1 }));
      await writer.flush(FLUSH_MS);
      writer.write(presenceOf(id, 2, { generation: 2, state: "suspect" }));
      await writer.flush(FLUSH_MS);
      equal(await orderOf(database, id), { generation: 2, revision: 2 });
      writer.write(presenceOf(id, 5, { generation: 2 }));
      writer.write(presenceOf(id, 4, { generation: 3, state: "suspect" }));
      await writer.flush(FLUSH_MS);
      writer.writeAbsent({ workstationId: id, generation: 4, revision: 1, nodeId: "node-1", at: 0 });
      await writer.flush(FLUSH_MS);
      equal(refusals, []);
    });
    is((await rowOf(database, id)).status, "offline");
    equal(await orderOf(database, id), { generation: 4, revision: 1 });
    equal(
      (await transitionsOf(database, id)).map(({ after }) => `${after.presence} ${after.revision}`),
      ["online 9", "suspect 2", "online 5", "suspect 4", "offline 1"],
    );
  }));

test("the rows that say online are read with generation and revision", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(id, 7, { generation: 3 }));
      await writer.flush(FLUSH_MS);
    });
    const present = await new PresenceRows(database).presentAfter("", 10);
    equal(
      present.map(({ workstationId, generation, revision }) => ({ workstationId, generation, revision })),
      [{ workstationId: id, generation: 3, revision: 7 }],
    );
  }));

test("each drawn generation is a safe integer, above the default of a row and above each one drawn before", () =>
  withDatabase(async (database) => {
    const drawn: number[] = [];
    for (let round = 0; round < 3; round += 1) drawn.push(await drawPresenceGeneration(database));
    const together = await Promise.all([drawPresenceGeneration(database), drawPresenceGeneration(database)]);
    drawn.push(...together.sort((one, other) => one - other));
    ok(drawn.every((generation, index) => Number.isSafeInteger(generation) && generation > (drawn[index - 1] ?? 0)));
  }));

test("two concurrent writers leave the newest state on every row", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 200);
    const times = { intervalMs: 10 };
    await withWriter(
      database,
      (one) =>
        withWriter(
          database,
          async (two) => {
            for (let round = 1; round <= 5; round += 1) {
              for (const id of ids) one.writer.write(presenceOf(id, round * 2));
              for (const id of ids.toReversed()) two.writer.write(presenceOf(id, round * 2 + 1));
              await Promise.all([one.writer.flush(FLUSH_MS), two.writer.flush(FLUSH_MS)]);
            }
            equal([one.logged, two.logged], [[], []]);
          },
          times,
        ),
      times,
    );
    ok((await rowsOf(database, ids)).every((row) => row.presence_revision === 11));
  }));

test("a suspended workstation stays suspended in any presence state", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await database.query((sql) => sql`UPDATE workstations SET status = 'suspended' WHERE id = ${id}`);
    await withWriter(database, async ({ writer }) => {
      for (const presence of [presenceOf(id, 1), absent(id, 2, { reason: "revoked" })]) {
        writer.write(presence);
        await writer.flush(FLUSH_MS);
        is((await rowOf(database, id)).status, "suspended");
      }
    });
    is((await rowOf(database, id)).presence_revision, 2);
  }));

test("a deleted and an unknown workstation are dropped silently", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await database.query((sql) => sql`UPDATE workstations SET deleted_at = now() WHERE id = ${id}`);
    await withWriter(database, async ({ writer, refusals, logged }) => {
      writer.write(presenceOf(id, 1));
      writer.write(presenceOf("ws_01HZZZZZZZZZZZZZZZZZZZZZZZ", 1));
      await writer.flush(FLUSH_MS);
      equal([writer.pending, refusals, logged], [0, [], []]);
    });
    is((await rowOf(database, id)).presence_revision, 0);
  }));

test("a value that Postgres rejects affects its own row alone, and is logged once", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 40);
    const poisoned = ids[13] ?? "";
    await withWriter(database, async ({ writer, logged }) => {
      for (const id of ids) {
        writer.write(presenceOf(id, 1, { meta: { status: "online", note: id === poisoned ? "nul: \u0000" : "fine" } }));
      }
      await writer.flush(FLUSH_MS);
      is(writer.pending, 0);
      equal(
        logged.map(({ workstationId }) => workstationId),
        [poisoned],
      );
      const rows = await rowsOf(database, ids);
      equal(
        rows.filter(({ status }) => status === "offline").map(({ id }) => id),
        [poisoned],
      );

      writer.write(presenceOf(poisoned, 2));
      await writer.flush(FLUSH_MS);
      is((await rowOf(database, poisoned)).status, "online", "its next state is tried again");
    });
  }));

test("a row that another transaction holds delays no other row, and is written when it is free", () =>
  withDatabase(async (database) => {
    const [held = "", free = ""] = await seedWorkstations(database, 2);
    await withWriter(
      database,
      async ({ writer }) => {
        await database.transaction("test", async (sql) => {
          await sql`UPDATE workstations SET name = 'held' WHERE id = ${held}`;
          for (const id of [held, free]) writer.write(presenceOf(id, 1));
          await until("the free row is written", async () => (await rowOf(database, free)).status === "online");
          is(writer.pending, 1);
        });
        await until("the held row is written", () => writer.pending === 0);
        is((await rowOf(database, held)).status, "online");
      },
      { intervalMs: 10 },
    );
  }));

test("last_seen_at moves when a workstation joins, is lost or leaves, and with a heartbeat", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    const seen: (number | undefined)[] = [];
    await withWriter(database, async ({ writer }) => {
      const step = async (presence: WorkstationPresence, beat = false) => {
        if (beat) writer.beat(presence);
        else writer.write(presence);
        await writer.flush(FLUSH_MS);
        seen.push((await rowOf(database, id)).last_seen_at?.getTime());
      };
      await step(presenceOf(id, 1, { at: 1_000 }));
      await step(presenceOf(id, 2, { at: 2_000, meta: { status: "busy" } }));
      await step(presenceOf(id, 3, { at: 3_000 }), true);
      await step(presenceOf(id, 4, { at: 4_000, state: "suspect" }));
      await step(absent(id, 5, { at: 5_000, reason: "timeout" }));
    });
    equal(seen, [1_000, 1_000, 3_000, 4_000, 4_000]);
    is((await rowOf(database, id)).last_heartbeat_at?.getTime(), 3_000, "only live workstations have a heartbeat");
  }));

test("each transition is in the audit trail with reason, node and connection, and is not published", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    const before = (await rowOf(database, id)).updated_at;
    const [{ count: pendingBefore } = { count: "" }] = await database.query(
      (sql) => sql<{ count: string }[]>`SELECT count(*) FROM audit_events WHERE lane IS NOT NULL`,
    );
    await withWriter(database, async ({ writer }) => {
      const states = [
        presenceOf(id, 1),
        presenceOf(id, 2, { meta: { status: "busy" } }),
        presenceOf(id, 3, { state: "suspect" }),
        presenceOf(id, 4, { connectionId: "connection-2", nodeId: "node-2" }),
        presenceOf(id, 5, { meta: { status: "offline" } }),
        absent(id, 6, { reason: "timeout", at: 86_400_000 }),
      ];
      for (const state of states) {
        writer.write(state);
        await writer.flush(FLUSH_MS);
      }
      writer.write(presenceOf(id, 7));
      writer.write(absent(id, 8, { reason: "timeout", at: 86_400_000 }));
      await writer.flush(FLUSH_MS);
    });
    const transitions = await transitionsOf(database, id);
    equal(
      transitions.map(({ before, after }) => `${before.presence}>${after.presence} ${after.revision} ${after.reason}`),
      [
        "offline>online 1 null",
        "online>suspect 3 null",
        "suspect>online 4 null",
        "online>offline 5 null",
        "offline>online 7 null",
        "online>offline 8 timeout",
      ],
      "including those that a newer state replaced before the flush",
    );
    const [, , back] = transitions;
    equal(
      [back?.principal, back?.entity, back?.after.nodeId, back?.after.connectionId],
      ["hub:node-2", "workstations", "node-2", "connection-2"],
    );
    is(transitions.at(-1)?.at.getTime(), 86_400_000, "the time of the transition, not of its writing");
    const [{ count } = { count: "" }] = await database.query(
      (sql) => sql<{ count: string }[]>`SELECT count(*) FROM audit_events WHERE lane IS NOT NULL`,
    );
    is(count, pendingBefore);
    const [{ others } = { others: "" }] = await database.query(
      (sql) => sql<{ others: string }[]>`
        SELECT count(*) AS others FROM audit_events WHERE row_id = ${id} AND operation NOT IN ('presence', 'created')`,
    );
    is(others, "0", "presence columns are not audited by the trigger as well");
    equal((await rowOf(database, id)).updated_at, before);
  }));

test("a row that already has the first state of a new hub is no transition", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(id, 1));
      await writer.flush(FLUSH_MS);
    });
    await withWriter(database, async ({ writer }) => {
      writer.write(presenceOf(id, 2));
      await writer.flush(FLUSH_MS);
      is((await transitionsOf(database, id)).length, 1);
      await database.query((sql) => sql`UPDATE workstations SET status = 'offline' WHERE id = ${id}`);
      writer.write(presenceOf(id, 3));
      await writer.flush(FLUSH_MS);
      is((await transitionsOf(database, id)).length, 2, "but a row that another writer turned offline is");
    });
  }));

test("a flush that can't finish ends at its limit, logs that, and keeps the rest", () =>
  withDatabase(async (database) => {
    const id = await seedOne(database);
    await withWriter(
      database,
      async ({ writer, logged }) => {
        await database.transaction("test", async (sql) => {
          await sql`UPDATE workstations SET name = 'held' WHERE id = ${id}`;
          writer.write(presenceOf(id, 1));
          await writer.flush(100);
          is(writer.pending, 1);
          equal(
            logged.map(({ msg }) => msg),
            ["presence was not written back in time"],
          );
        });
        await writer.flush(FLUSH_MS);
        is(writer.pending, 0);
      },
      { intervalMs: 20 },
    );
  }));

test("a flush writes what came during a flush in flight, however long the interval is", () =>
  withDatabase(async (database) => {
    const ids = await seedWorkstations(database, 2);
    await withWriter(
      database,
      async ({ writer, logged }) => {
        const [first = "", second = ""] = ids;
        writer.write(presenceOf(first, 1));
        const flushed = writer.flush(FLUSH_MS);
        writer.write(presenceOf(second, 1));
        await flushed;
        is(writer.pending, 0);
        equal(logged, []);
      },
      { intervalMs: 60_000 },
    );
  }));

const anyState = fc.record({
  workstation: fc.nat(2),
  generation: fc.integer({ min: 1, max: 3 }),
  revision: fc.integer({ min: 1, max: 60 }),
  state: fc.constantFrom("live" as const, "suspect" as const, "absent" as const),
  status: fc.constantFrom("online", "busy", "offline"),
  flush: fc.boolean(),
});

test(
  "after any order of states and flushes, each row has its newest state",
  () =>
    withDatabase(async (database) => {
      await fc.assert(
        fc.asyncProperty(fc.array(anyState, { minLength: 1, maxLength: 25 }), async (states) => {
          const ids = await seedWorkstations(database, 3);
          const newest = new Map<string, WorkstationPresence>();
          await withWriter(database, async ({ writer }) => {
            for (const { workstation, generation, revision, state, status, flush } of states) {
              const meta = { status, generation, revision };
              const presence = presenceOf(ids[workstation] ?? "", revision, { generation, state, meta });
              const known = newest.get(presence.workstationId);
              if (!known || isNewer(presence, known)) newest.set(presence.workstationId, presence);
              writer.write(presence);
              if (flush) await writer.flush(FLUSH_MS);
            }
            await writer.flush(FLUSH_MS);
          });
          for (const row of await rowsOf(database, [...newest.keys()])) {
            const expected = newest.get(row.id);
            if (!expected) throw new Error("unreachable: only these rows were asked for");
            const { generation, revision } = expected;
            equal(await orderOf(database, row.id), { generation, revision });
            is(row.status, kindOf(expected) === "offline" ? "offline" : "online");
            equal(row.realtime_presence_meta, {
              ...expected.meta,
              ...(expected.state === "absent" && { status: "offline" }),
            });
          }
        }),
        { numRuns: 30 },
      );
    }),
  60_000,
);

test.run();
