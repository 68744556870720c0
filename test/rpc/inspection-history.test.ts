import type { WorkstationTransition } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import type { Statements } from "../../hub/kernel/statements.ts";
import { askForOnline } from "../../hub/rpc/sql/online.ts";
import { askForTransitions } from "../../hub/rpc/sql/transitions.ts";
import type { Database } from "../../hub/store/database.ts";
import { meta, withHub } from "../support/hub.ts";
import { SERVICE, type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("transitions and activity");

type Kind = "online" | "suspect" | "offline";
interface Step {
  workstationId: string;
  at: number;
  before: Kind;
  kind: Kind;
}

/** Writes audit events in the format of presence. */
async function write(
  database: Database,
  { organizationId }: Pick<Tenant, "organizationId">,
  steps: readonly Step[],
): Promise<void> {
  const rows = JSON.stringify(steps.map((step, index) => ({ ...step, revision: 1_000 + index })));
  await database.query(
    (sql) => sql`
      INSERT INTO audit_events (at, principal, organization_id, entity, row_id, operation, before, after)
      SELECT to_timestamp(at / 1000), 'hub:n', ${organizationId}, 'workstations', "workstationId", 'presence',
        jsonb_build_object('presence', before), jsonb_build_object('presence', kind, 'reason', null, 'nodeId', 'n', 'connectionId', 'c', 'revision', revision)
      FROM jsonb_to_recordset(${rows}::text::jsonb) AS told ("workstationId" text, at float8, before text, kind text, revision bigint)
      ORDER BY revision`,
  );
}

async function addWorkstation({ database }: World, { organizationId }: Tenant, status: string): Promise<string> {
  const id = `ws_${ulid()}`;
  await database.query(
    (sql) =>
      sql`INSERT INTO workstations (id, organization_id, name, status) VALUES (${id}, ${organizationId}, 'W', ${status})`,
  );
  return id;
}

test("a workstation's transitions are listed newest first, with reason, node and previous state", () =>
  withHub({ env: { PRESENCE_GRACE_MS: "100" } }, async (hub) => {
    const { id, token, channel } = hub.workstation;
    const [machine, user] = await hub.connectAll(token, hub.userToken);
    const { connectionId, nodeId } = await machine.welcomed();
    await machine.request("presence.join", { channel, meta: meta() });
    await hub.writeBackSettled();
    machine.socket.io.engine.close();
    const transitions = async () =>
      (await user.request("rpc", { method: "workstations.transitions", params: { id } })) as {
        items: WorkstationTransition[];
      };
    await until("it is offline", async () => (await transitions()).items[0]?.kind === "offline");
    const { items } = await transitions();
    equal(
      items.map(({ at: _, revision: __, ...step }) => step),
      [
        { kind: "offline", before: "suspect", reason: "timeout", nodeId, connectionId },
        { kind: "suspect", before: "online", reason: null, nodeId, connectionId },
        { kind: "online", before: "offline", reason: null, nodeId, connectionId },
      ],
    );
    const revisions = items.map(({ revision }) => revision);
    equal(
      revisions,
      [...revisions].sort((a, b) => b - a),
    );
    for (const { at } of items) ok(Math.abs(Date.parse(at) - Date.now()) < 10_000);
  }));

test("pages of transitions go back in time, and `before` starts them at a time", () =>
  withWorld(async ({ database, ours, otherTenant, call, refusal }) => {
    const id = ours.workstationId;
    const start = Date.UTC(2030, 0, 1);
    const steps = Array.from({ length: 25 }, (_, index): Step => {
      const [before, kind] = index % 2 === 0 ? (["offline", "online"] as const) : (["online", "offline"] as const);
      return { workstationId: id, at: start + index * 1_000, before, kind };
    });
    await write(database, ours, steps);
    const times: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page: { items: WorkstationTransition[]; nextCursor: string | null } = await call(
        ours.member,
        "workstations.transitions",
        {
          id,
          limit: 10,
          ...(cursor !== undefined && { cursor }),
        },
      );
      times.push(...page.items.map(({ at }) => at));
      cursor = page.nextCursor;
    }
    equal(times, steps.map(({ at }) => new Date(at).toISOString()).reverse());
    const before = new Date(start + 3_000).toISOString();
    const { items } = await call(SERVICE, "workstations.transitions", { id, before });
    equal(
      items.map(({ at }) => Date.parse(at) - start),
      [2_000, 1_000, 0],
    );
    const { nextCursor } = await call(ours.member, "workstations.transitions", { id, limit: 1 });
    is(
      (await refusal(ours.member, "workstations.transitions", { id, before, cursor: nextCursor })).code,
      "bad_request",
    );
    is((await refusal(otherTenant.owner, "workstations.transitions", { id })).code, "not_found");
    is((await refusal(ours.workstation, "workstations.transitions", { id })).code, "forbidden");
  }));

test("the online workstations of each minute follow from transitions and rows", () =>
  withWorld(async (world) => {
    const { database, ours, otherTenant, call } = world;
    const always = await addWorkstation(world, ours, "online");
    const [came, went, flapped, lost] = [
      await addWorkstation(world, ours, "online"),
      await addWorkstation(world, ours, "offline"),
      await addWorkstation(world, ours, "online"),
      await addWorkstation(world, ours, "suspended"),
    ];
    const foreign = await addWorkstation(world, otherTenant, "online");
    const minute = Math.floor(Date.now() / 60_000) * 60_000;
    const ago = (minutes: number, seconds: number) => minute - minutes * 60_000 + seconds * 1_000;
    await write(database, otherTenant, [{ workstationId: foreign, at: ago(5, 10), before: "offline", kind: "online" }]);
    await write(database, ours, [
      { workstationId: came, at: ago(6, 30), before: "offline", kind: "online" },
      { workstationId: went, at: ago(4, 0.001), before: "online", kind: "suspect" },
      { workstationId: went, at: ago(4, 20), before: "suspect", kind: "offline" },
      { workstationId: flapped, at: ago(8, 1), before: "online", kind: "offline" },
      { workstationId: flapped, at: ago(8, 59), before: "offline", kind: "online" },
      { workstationId: flapped, at: ago(3, 10), before: "online", kind: "offline" },
      { workstationId: flapped, at: ago(1, 50), before: "offline", kind: "online" },
      // Before the requested range.
      { workstationId: lost, at: ago(500, 0), before: "offline", kind: "online" },
      { workstationId: lost, at: ago(499, 0), before: "online", kind: "offline" },
    ]);
    const { points, intervalMs, ...coverage } = await call(ours.member, "activity.get", {
      organizationId: ours.organizationId,
      minutes: 10,
    });
    equal([intervalMs, coverage], [60_000, { incomplete: false, silentNodes: 0 }]);
    // The minute may have changed in between.
    const at = points.findIndex((point) => point.at === minute - 9 * 60_000);
    ok(at === 0 || at === -1, String(at));
    const online = (minutes: number) => points.find((point) => point.at === ago(minutes, 0))?.workstationsOnline;
    // always, went, flapped | + came | − went | − flapped | + flapped
    equal([8, 7, 6, 5, 4, 3, 2, 1, 0].map(online), [3, 3, 4, 4, 3, 2, 2, 3, 3]);
    ok(always);
    const day = await call(SERVICE, "activity.get", { organizationId: ours.organizationId, minutes: 1_440 });
    const onlineAt = (minutes: number) => day.points.find((point) => point.at === ago(minutes, 0))?.workstationsOnline;
    equal([1_000, 501, 500, 499, 498, 0].map(onlineAt), [3, 4, 3, 3, 3, 3]);
    equal(
      (await call(otherTenant.member, "activity.get", { organizationId: otherTenant.organizationId, minutes: 1 }))
        .points.length,
      1,
    );
  }));

test("only members of the organization can read its activity", () =>
  withWorld(async ({ ours, otherTenant, refusal }) => {
    const params = { organizationId: ours.organizationId };
    const bound = { kind: "service" as const, id: "bound", organizations: [otherTenant.organizationId] };
    for (const principal of [otherTenant.owner, bound])
      is((await refusal(principal, "activity.get", params)).code, "not_found");
    is((await refusal(SERVICE, "activity.get", { organizationId: `org_${ulid()}` })).code, "not_found");
    is((await refusal(ours.workstation, "activity.get", params)).code, "forbidden");
    for (const minutes of [0, 1_441])
      is((await refusal(ours.owner, "activity.get", { ...params, minutes })).code, "bad_request");
  }));

test("publications count by the minute for their channel's organization", () =>
  withHub({}, async (hub) => {
    const otherTenant = await hub.otherTenant();
    const [service, user] = await hub.connectAll(hub.serviceToken, hub.userToken);
    for (let number = 0; number < 5; number += 1)
      await service.request("publish", {
        channel: hub.taskChannel,
        type: "note",
        payload: number,
        ephemeral: number === 0,
      });
    await service.request("publish", { channel: `task:${otherTenant.taskId}`, type: "note", payload: 0 });
    const params = { organizationId: hub.organizationId, minutes: 3 };
    const { points } = (await user.request("rpc", { method: "activity.get", params })) as {
      points: { at: number; publications: number }[];
    };
    equal([points.length, points.reduce((sum, { publications }) => sum + publications, 0)], [3, 5]);
    for (const [index, { at }] of points.entries()) is(at, (points[0]?.at ?? 0) + index * 60_000);
  }));

/** The indexes of a statement's plan. */
async function indexesOf(database: Database, asked: (sql: Statements) => unknown): Promise<string> {
  const statements: { text: string; values: unknown[] }[] = [];
  asked({ unsafe: (text: string, values: unknown[]) => statements.push({ text, values }) } as unknown as Statements);
  const [{ text, values } = { text: "", values: [] }] = statements;
  const rows = await database.query((sql) => sql.unsafe(`EXPLAIN ${text}`, values as never[]));
  return rows.map((row) => Object.values(row).join()).join("\n");
}

test("among many other events both queries use an index", () =>
  withWorld(async ({ database, ours, otherTenant }) => {
    await database.unlimited.unsafe(
      `INSERT INTO audit_events (at, principal, organization_id, entity, row_id, operation, before, after)
      SELECT now() - n * interval '2 seconds', 'hub:n', CASE n % 10 WHEN 0 THEN $1 ELSE $2 END, 'workstations', 'ws_' || n % 500,
        CASE n % 20 WHEN 0 THEN 'presence' ELSE 'updated' END::audit_operation, '{}', '{"revision": 1}'
      FROM generate_series(1, 50000) AS n`,
      [ours.organizationId, otherTenant.organizationId],
    );
    await database.unlimited`ANALYZE audit_events`;
    const now = Date.now();
    const online = { organizationId: ours.organizationId, first: now - 3_600_000, points: 60, now };
    const planned = await indexesOf(database, (sql) => askForOnline(sql, online));
    ok(planned.includes("idx_audit_events_presence"), planned);
    ok(!planned.includes("Seq Scan on audit_events"), planned);
    const query = { workstationId: "ws_100", before: null, beforeId: null, limit: 51 };
    const page = await indexesOf(database, (sql) => askForTransitions(sql, query));
    ok(page.includes("idx_audit_events_row") && !page.includes("Seq Scan"), page);
  }));

test.run();
