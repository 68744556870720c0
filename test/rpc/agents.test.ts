import type { Agent, AgentListItem } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { HubError } from "../../hub/kernel/errors.ts";
import { agentDifferences } from "../../hub/rpc/verbs/agent-differences.ts";
import { addMachine } from "../support/on-site.ts";
import { SERVICE, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { withChildren } from "../support/task-children.ts";
import { until } from "../support/until.ts";

const test = suite("rpc agents");
const paths = (error: HubError) => (error.details as { path: string }[]).map(({ path }) => path);
const SECRET = "sk-never-returned-anywhere";
const KEYS = { API_KEY: SECRET };

/** The audit events of agents after `from`. */
async function audited({ database }: World): Promise<string[]> {
  const rows = await database.query(
    (sql) => sql<{ operation: string }[]>`SELECT operation FROM audit_events WHERE entity = 'agents' ORDER BY id`,
  );
  return rows.map(({ operation }) => operation);
}

const summary = (agents: readonly Pick<Agent, "name" | "status">[]) =>
  agents.map(({ name, status }) => `${name} ${status}`).sort();

test("agents support all methods; their workstation maintains them and admins correct them", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, member, workstation, workstationId } = ours;
    const made = await call(workstation, "agents.create", {
      workstationId,
      type: "claude-code",
      name: "Claude",
      version: "2.0",
      supportedLanguages: ["rust", "sql"],
    });
    assert.equal(
      [made.status, made.maxConcurrencyLimit, made.supportedLanguages, made.tasksCompleted, made.organizationId],
      ["available", 1, ["rust", "sql"], 0, ours.organizationId],
    );
    assert.equal(await call(member, "agents.get", { id: made.id }), made);
    const set = {
      maxConcurrencyLimit: 0,
      status: "rate_limited" as const,
      rateLimitResetAt: "2031-01-01T00:00:00+01:00",
    };
    const limited = await call(workstation, "agents.update", { id: made.id, set, ifUpdatedAt: made.updatedAt });
    assert.equal([limited.maxConcurrencyLimit, limited.rateLimitResetAt], [0, "2030-12-31T23:00:00.000Z"]);
    const late = { id: made.id, set: { name: "C" }, ifUpdatedAt: made.updatedAt };
    assert.is((await refusal(admin, "agents.update", late)).code, "conflict");
    assert.is((await call(admin, "agents.update", { id: made.id, set: { name: "C" } })).name, "C");
    const twice = { workstationId, type: "claude-code", name: "C" };
    const taken = await refusal(workstation, "agents.create", twice);
    assert.equal([taken.code, paths(taken)], ["conflict", ["name"]]);
    assert.equal(await call(admin, "agents.delete", { id: made.id }), { id: made.id });
    assert.is((await refusal(workstation, "agents.get", { id: made.id })).code, "not_found");
  }));

test("agents are listed by workstation, type, status and project", () =>
  withWorld(async ({ database, ours, call }) => {
    const { member, admin, agentId, workstationId, organizationId, projectId } = ours;
    const other = await addMachine(database, ours);
    const elsewhere = { workstationId: other.id, type: "opencode" as const, name: "B" };
    const { id } = await call(admin, "agents.create", { ...elsewhere, status: "busy" });
    const found = async (params: object) =>
      (await call(member, "agents.list", params)).items.map((agent) =>
        agent.id === id ? "other" : agent.id === agentId,
      );
    assert.equal((await found({})).sort(), ["other", true]);
    assert.equal(await found({ filter: { workstationId } }), [true]);
    assert.equal(await found({ filter: { type: "opencode" } }), ["other"]);
    assert.equal(await found({ filter: { status: "busy" } }), ["other"]);
    assert.equal(await found({ filter: { status: "busy", workstationId } }), []);
    assert.equal(await found({ projectId }), [true]);
    assert.equal(await found({ organizationId, limit: 1 }), [true]);
    await call(admin, "workstations.delete", { id: workstationId });
    assert.equal(await found({}), ["other"]);
  }));

test("a workstation reads and writes only its own agents, and members write none", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const { member, workstation, agentId, workstationId } = ours;
    const other = await addMachine(database, ours);
    const create = { type: "custom" as const, name: "N" };
    for (const [method, params] of [
      ["agents.get", { id: agentId }],
      ["agents.update", { id: agentId, set: { name: "Taken" } }],
      ["agents.delete", { id: agentId }],
      ["agents.create", { ...create, workstationId }],
    ] as const) {
      assert.is((await refusal(other, method, params)).code, "not_found", method);
      if (method !== "agents.get") assert.is((await refusal(member, method, params)).code, "forbidden", method);
    }
    assert.equal((await call(other, "agents.list", {})).items, []);
    const moved = await refusal(workstation, "agents.update", { id: agentId, set: { workstationId: other.id } });
    assert.equal([moved.code, paths(moved)[0]], ["bad_request", "set.workstationId"]);
    for (const caller of [ours.admin, ours.owner, SERVICE, other]) {
      const made = await call(caller, "agents.create", { ...create, workstationId: other.id });
      await call(caller, "agents.update", { id: made.id, set: { version: "1" } });
      await call(caller, "agents.delete", { id: made.id });
    }
  }));

test("environment variables are returned only to callers that may set them", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { admin, owner, member, workstation, workstationId } = ours;
    const bound = { kind: "service" as const, id: "bound", organizations: [ours.organizationId] };
    for (const [place, caller] of [admin, owner, workstation, SERVICE, bound].entries()) {
      const params = { workstationId, type: "custom" as const, name: `N${place}`, environmentVars: KEYS };
      const { id, environmentVars } = await call(caller, "agents.create", params);
      assert.equal(environmentVars, KEYS);
      const set = { environmentVars: { ...KEYS, MORE: "" } };
      assert.equal((await call(caller, "agents.update", { id, set })).environmentVars, set.environmentVars);
      assert.equal((await call(caller, "agents.get", { id })).environmentVars, set.environmentVars);
      assert.is((await call(member, "agents.get", { id })).environmentVars, null);
      assert.is((await refusal(member, "agents.update", { id, set })).code, "forbidden");
      assert.is((await call(caller, "agents.update", { id, set: { environmentVars: null } })).environmentVars, null);
    }
  }));

test("environment variables are in no list, report, replay, stored answer, audit event or error", () =>
  withWorld(async (world) => {
    const { database, ours, call, refusal } = world;
    const { admin, workstation, workstationId } = ours;
    const create = { workstationId, type: "custom" as const, name: "S", environmentVars: KEYS };
    const { id, version } = await call(admin, "agents.create", create, "made");
    const update = { id, set: { environmentVars: { ...KEYS, OTHER: SECRET } } };
    await call(workstation, "agents.update", update, "changed");
    const replayed = await call(admin, "agents.create", create, "made");
    assert.equal([replayed.id, replayed.environmentVars], [id, null]);
    const bad = { ...create, name: "T", environmentVars: { [SECRET]: SECRET.repeat(2), "A=": `${SECRET}` } };
    const refused = [
      await refusal(admin, "agents.create", { ...create, version: "x".repeat(51) }),
      await refusal(admin, "agents.create", create),
      await refusal(admin, "agents.create", {
        ...bad,
        environmentVars: { "1": SECRET, A: [SECRET], B: `${SECRET}\0` },
      }),
      await refusal(admin, "agents.create", { ...bad, environmentVars: [SECRET] }),
    ];
    const answers = [
      replayed,
      await call(workstation, "agents.update", update, "changed"),
      await call(admin, "agents.list", {}),
      await call(workstation, "agents.list", { filter: { workstationId } }),
      await call(workstation, "agents.report", { agents: [{ type: "custom", name: "S", version }] }),
      await call(ours.member, "agents.get", { id }),
      await call(ours.owner, "audit.list", {}),
      await database.query((sql) => sql`SELECT to_jsonb(audit_events) FROM audit_events`),
      await database.query((sql) => sql`SELECT to_jsonb(rpc_results) FROM rpc_results`),
      ...refused.map(({ message, details, code }) => ({ message, details, code })),
    ];
    for (const answer of answers) assert.not.ok(JSON.stringify(answer).includes(SECRET), JSON.stringify(answer));
    assert.not.ok("environmentVars" in ((await call(admin, "agents.list", {})).items[0] ?? {}));
    // The change itself is still published.
    assert.equal((await audited(world)).slice(-3), ["created", "updated", "updated"]);
    assert.equal((await call(admin, "agents.get", { id })).environmentVars, update.set.environmentVars);
  }));

test("an agent that has sessions can't be deleted, but can be disabled", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const { agentId: id } = await withChildren(database, ours);
    const kept = await refusal(ours.admin, "agents.delete", { id });
    assert.equal([kept.code, /disabled/.test(kept.message)], ["conflict", true]);
    const set = { status: "disabled" as const };
    assert.is((await call(ours.workstation, "agents.update", { id, set })).status, "disabled");
  }));

test("a report creates, updates, disables and re-enables agents, and returns all of them", () =>
  withWorld(async (world) => {
    const { ours, call } = world;
    const { workstation } = ours;
    const claude = { type: "claude-code" as const, name: "Claude", version: "1", supportedLanguages: ["go"] };
    const cursor = { type: "cursor" as const, name: "A" };
    const report = (...agents: object[]) => call(workstation, "agents.report", { agents: agents as never });
    const first = await report(claude, cursor);
    assert.equal(summary(first.agents), ["A available", "Claude available"]);
    const before = await audited(world);
    assert.equal(await report(cursor, claude), first);
    const limited = { status: "rate_limited", rateLimitResetAt: "2031-01-01T00:00:00+01:00", rateLimitReason: "quota" };
    const second = await report({ ...claude, ...limited, version: "2" });
    assert.equal(summary(second.agents), ["A disabled", "Claude rate_limited"]);
    // The same timestamp in another format, and missing fields, change nothing.
    assert.equal(
      await report({ type: "claude-code", name: "Claude", rateLimitResetAt: "2030-12-31T23:00:00Z" }),
      second,
    );
    assert.equal((await audited(world)).slice(before.length), ["updated", "updated"]);
    const back = await report(cursor, { type: "claude-code", name: "Claude", status: "busy" });
    assert.equal(summary(back.agents), ["A available", "Claude busy"]);
    assert.equal(back.agents.find(({ name }) => name === "Claude")?.version, "2");
    const ids = (agents: readonly { id: string }[]) => agents.map(({ id }) => id);
    assert.equal(ids(back.agents), ids(first.agents));
    assert.equal(summary((await report()).agents), ["A disabled", "Claude disabled"]);
    assert.equal(summary((await report({ ...cursor, status: "disabled" })).agents), ["A disabled", "Claude disabled"]);
  }));

test("concurrent reports result in the agents of one of them, without duplicates", () =>
  withWorld(async ({ database, ours, call }) => {
    const { member } = ours;
    // It has no agents yet. Reports would wait for each other's row locks otherwise.
    const machine = await addMachine(database, ours);
    const names = ["a", "b", "c", "d", "e", "f"];
    const reports = names.map((name) => [name, "shared"].map((each) => ({ type: "custom" as const, name: each })));
    const answers = await Promise.all(reports.map((agents) => call(machine, "agents.report", { agents })));
    for (const [place, { agents }] of answers.entries()) {
      const working = agents.filter(({ status }) => status === "available").map(({ name }) => name);
      assert.equal(working.sort(), [names[place] ?? "", "shared"].sort());
    }
    const { items } = await call(member, "agents.list", { filter: { workstationId: machine.id } });
    assert.equal(items.map(({ name }) => name).sort(), [...names, "shared"]);
    assert.is(items.filter(({ status }) => status === "available").length, 2);
  }));

test("a report waits for a concurrent rename of an agent and matches the new name", () =>
  withWorld(async ({ database, ours, call }) => {
    const { workstation, agentId } = ours;
    let reporting: Promise<{ agents: AgentListItem[] }> | undefined;
    await database.transaction("test", async (sql) => {
      await sql`UPDATE agents SET name = 'B' WHERE id = ${agentId}`;
      reporting = call(workstation, "agents.report", { agents: [{ type: "cursor", name: "B", version: "9" }] });
      await until("the report waits", async () => {
        const waiting = await database.query(
          (other) =>
            other`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
    });
    const { agents = [] } = (await reporting) ?? {};
    assert.equal(
      agents.map(({ id, name, version }) => [id, name, version]),
      [[agentId, "B", "9"]],
    );
  }));

test("only workstations report agents, each one its own", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const report = { agents: [{ type: "custom" as const, name: "N" }] };
    for (const caller of [ours.member, ours.admin, ours.owner, SERVICE])
      assert.is((await refusal(caller, "agents.report", report)).code, "forbidden");
    const other = await addMachine(database, ours);
    assert.equal(summary((await call(other, "agents.report", report)).agents), ["N available"]);
    assert.is((await call(ours.member, "agents.get", { id: ours.agentId })).status, "available");
    await call(ours.admin, "workstations.suspend", { id: other.id });
    assert.is((await refusal(other, "agents.report", report)).code, "suspended");
  }));

test("a report that exceeds the maximum number of agents is a conflict that asks to delete some", () =>
  withWorld(async ({ database, ours, call, refusal }) => {
    const ids = Array.from({ length: 998 }, () => `agent_${ulid()}`);
    await database.query(
      (sql) => sql`INSERT INTO agents (id, workstation_id, type, name, status)
        SELECT id, ${ours.workstationId}, 'custom', id, 'disabled' FROM unnest(${ids}::text[]) AS ids (id)`,
    );
    const report = (...names: string[]) => ({ agents: names.map((name) => ({ type: "custom" as const, name })) });
    assert.is((await refusal(ours.workstation, "agents.report", report("x", "y"))).code, "conflict");
    assert.is((await call(ours.workstation, "agents.report", report("x"))).agents.length, 1_000);
  }));

test("errors in an agent or a report name the path", () =>
  withWorld(async ({ ours, refusal }) => {
    const { workstation, workstationId, agentId: id } = ours;
    const agent = { type: "custom", name: "N" };
    const made = (more: object) => ["agents.create", { workstationId, ...agent, ...more }] as const;
    const reportOf = (...agents: object[]) => ["agents.report", { agents }] as const;
    const faults: [string, object, string][] = [
      [...made({ type: "vim" }), "type"],
      [...made({ name: " " }), "name"],
      [...made({ version: "x".repeat(51) }), "version"],
      [...made({ maxConcurrencyLimit: -1 }), "maxConcurrencyLimit"],
      [...made({ supportedLanguages: ["go", 1] }), "supportedLanguages.1"],
      [...made({ status: "asleep" }), "status"],
      [...made({ rateLimitResetAt: "tomorrow" }), "rateLimitResetAt"],
      [...made({ environmentVars: { "A-B": "x" } }), "environmentVars.A-B"],
      [...made({ environmentVars: { A: 1 } }), "environmentVars.A"],
      [
        ...made({ environmentVars: Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`A${n}`, ""])) }),
        "environmentVars",
      ],
      [...made({ tasksCompleted: 5 }), "tasksCompleted"],
      [...made({ id }), "id"],
      ["agents.update", { id, set: { totalExecutionTime: 5 } }, "set.totalExecutionTime"],
      ["agents.update", { id, set: { lastTaskPushedAt: null } }, "set.lastTaskPushedAt"],
      ["agents.update", { id, set: { type: "cursor" } }, "set.type"],
      ["agents.update", { id, set: { status: null } }, "set.status"],
      ["agents.update", { id, set: {} }, "set"],
      ["agents.list", { filter: { name: "A" } }, "filter.name"],
      ["agents.report", {}, "agents"],
      [...reportOf(agent, { ...agent, version: "2" }), "agents.1"],
      [...reportOf(agent, { type: "custom" }), "agents.1.name"],
      [...reportOf({ ...agent, environmentVars: {} }), "agents.0.environmentVars"],
      [...reportOf({ ...agent, tasksCompleted: 1 }), "agents.0.tasksCompleted"],
      [...reportOf(...Array.from({ length: 101 }, (_, n) => ({ type: "custom", name: `N${n}` }))), "agents"],
    ];
    for (const [method, params, path] of faults) {
      const error = await refusal(workstation, method, params);
      assert.equal([error.code, paths(error)[0]], ["bad_request", path], JSON.stringify(params).slice(0, 200));
    }
  }));

test("agentDifferences returns only the fields that differ", () => {
  const rateLimitResetAt = "2030-12-31T23:00:00.000Z";
  const same = { version: "1", supportedLanguages: ["a"], status: "error" };
  const known = { id: "agent_1", type: "custom", name: "N", rateLimitResetAt, ...same };
  const changed = (more: object) =>
    agentDifferences([known as never], [{ type: "custom", name: "N", ...more }]).changed.map(({ set }) => [...set]);
  assert.equal(changed({}), []);
  assert.equal(changed({ ...same, rateLimitResetAt: "2031-01-01T00:00:00+01:00" }), []);
  assert.equal(changed({ version: null, supportedLanguages: ["b"] }), [
    [
      ["version", null],
      ["supportedLanguages", ["b"]],
    ],
  ]);
  const other = agentDifferences([known as never], [{ type: "cursor", name: "N" }]);
  assert.equal([other.created.length, [...(other.changed[0]?.set ?? [])]], [1, [["status", "disabled"]]]);
});

test.run();
