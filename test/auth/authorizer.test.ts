import assert from "node:assert/strict";
import { parseChannel } from "@monster-realtime/client/protocol";
import { Authorizer } from "../../hub/auth/authorizer.ts";
import type { FactKind, FactSource, FactsByKind, UserClaims } from "../../hub/auth/facts.ts";
import type { Principal } from "../../hub/auth/principal.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import { suite } from "../support/suite.ts";

const test = suite("authorizer");

const CACHE_MS = 5_000;
const OUTAGE_MS = 900_000;
const idOf = (prefix: string, index: number) => `${prefix}_${String(index).padStart(26, "0")}`;
const ORG = idOf("org", 1);
const PROJECT = idOf("proj", 1);
const user = (index: number): Principal => ({ kind: "user", id: idOf("user", index), clientIds: null });
const channel = (name: string) => {
  const parsed = parseChannel(name);
  assert.ok(parsed);
  return parsed;
};
const taskChannel = channel(`task:${idOf("task", 1)}`);

/** A source in memory that counts its statements, with control over the time and content of its answers. */
class TableSource implements FactSource {
  readonly tables: { [Kind in FactKind]: Map<string, FactsByKind[Kind]> } = {
    workstation: new Map(),
    project: new Map(),
    task: new Map(),
    user: new Map(),
  };
  readonly statements: { kind: FactKind; ids: readonly string[] }[] = [];
  failure: Error | null = null;
  /** While set, answers are computed immediately and returned when it resolves. */
  gate: Promise<void> | null = null;

  async load<Kind extends FactKind>(kind: Kind, ids: readonly string[]): Promise<Map<string, FactsByKind[Kind]>> {
    this.statements.push({ kind, ids });
    const found = new Map<string, FactsByKind[Kind]>();
    for (const id of ids) {
      const row = this.tables[kind].get(id);
      if (row) found.set(id, row);
    }
    await this.gate;
    if (this.failure) throw this.failure;
    return found;
  }
  async workstationsByToken(): Promise<Map<string, string>> {
    return new Map();
  }
  async ensureUsers(_claims: readonly UserClaims[]): Promise<Map<string, string>> {
    return new Map();
  }
  async invitedAmong(): Promise<Set<string>> {
    return new Set();
  }
  async giveInvitations(): Promise<void> {}
}

function setUp(users = 1) {
  const source = new TableSource();
  for (let index = 1; index <= users; index += 1) {
    source.tables.user.set(idOf("user", index), {
      memberships: [{ organizationId: ORG, role: "member", clientId: null }],
    });
  }
  source.tables.project.set(PROJECT, { organizationId: ORG, active: true });
  source.tables.task.set(taskChannel.id, { organizationId: ORG, active: true, projectId: PROJECT });
  const clock = { now: 1_000 };
  const authorizer = new Authorizer({ source, cacheMs: CACHE_MS, outageMs: OUTAGE_MS, monotonicNow: () => clock.now });
  return { source, clock, authorizer };
}

/** A gate that is closed until `open` is called. */
function gate(): { shut: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const shut = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { shut, open };
}

const unavailable = () => new HubError("unavailable", "The database is unavailable.");
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("5,000 clients that connect at the same time cost one statement per 1,000", async () => {
  const { source, authorizer } = setUp(5_000);
  const all = Array.from({ length: 5_000 }, (_, index) => user(index + 1));
  const rights = await Promise.all(all.map((principal) => authorizer.rights(principal, taskChannel)));
  assert.ok(rights.every(({ subscribe }) => subscribe));
  const users = source.statements.filter(({ kind }) => kind === "user");
  assert.deepEqual(
    users.map(({ ids }) => ids.length),
    [1_000, 1_000, 1_000, 1_000, 1_000],
  );
  assert.equal(source.statements.filter(({ kind }) => kind === "task").length, 1);
});

test("concurrent lookups of an id share one read", async () => {
  const { source, authorizer } = setUp();
  const door = gate();
  source.gate = door.shut;
  const first = authorizer.accountRefusal(user(1));
  await turn();
  await turn();
  const others = Array.from({ length: 50 }, () => authorizer.accountRefusal(user(1)));
  door.open();
  assert.deepEqual(await Promise.all([first, ...others]), new Array(51).fill(null));
  assert.equal(source.statements.length, 1);
});

test("fresh facts are returned synchronously, and older ones are read again", async () => {
  const { source, clock, authorizer } = setUp();
  await authorizer.rights(user(1), taskChannel);
  clock.now += CACHE_MS;
  const rights = authorizer.rights(user(1), taskChannel);
  assert.ok(!(rights instanceof Promise) && rights.publish);
  source.tables.user.set(idOf("user", 1), { memberships: [] });
  clock.now += 1;
  assert.equal((await authorizer.rights(user(1), taskChannel)).publish, false);
});

test("isKnownToAllow answers from fresh facts only", async () => {
  const { source, clock, authorizer } = setUp();
  const allows = (right: "join" | "publish") =>
    authorizer.isKnownToAllow(user(1), [
      { channel: taskChannel, right: "subscribe" as const },
      { channel: taskChannel, right },
    ]);
  assert.equal(allows("publish"), false);
  await authorizer.rights(user(1), taskChannel);
  assert.equal(allows("publish"), true);
  assert.equal(allows("join"), (await authorizer.rights(user(1), taskChannel)).join);
  const count = source.statements.length;
  clock.now += CACHE_MS + 1;
  assert.equal(allows("publish"), false);
  assert.equal(source.statements.length, count);
  source.tables.user.delete(idOf("user", 1));
  await authorizer.rights(user(1), taskChannel);
  assert.equal(authorizer.isKnownToAllow(user(1), []), false);
});

test("the absence of a row is cached like a row", async () => {
  const { source, clock, authorizer } = setUp();
  const missing = channel(`task:${idOf("task", 9)}`);
  assert.equal((await authorizer.rights(user(1), missing)).subscribe, false);
  const count = source.statements.length;
  assert.ok(!(authorizer.rights(user(1), missing) instanceof Promise));
  assert.equal(source.statements.length, count);
  source.tables.task.set(missing.id, { organizationId: ORG, active: true, projectId: PROJECT });
  clock.now += CACHE_MS + 1;
  assert.equal((await authorizer.rights(user(1), missing)).subscribe, true);
});

test("dropped facts are read again by the next call, including the facts that depend on them", async () => {
  const { source, authorizer } = setUp();
  const workstation: Principal = { kind: "workstation", id: idOf("ws", 1), tokenDigest: "digest" };
  const row = { organizationId: ORG, accountStatus: "active", tokenDigest: "digest", projectIds: [PROJECT] } as const;
  source.tables.workstation.set(workstation.id, row);
  const board = channel(`project:${PROJECT}:tasks`);
  const warm = () => Promise.all([authorizer.rights(user(1), taskChannel), authorizer.rights(workstation, board)]);
  const readBy = async (entity: "organization" | "user" | "workstation" | "project" | "task", id: string) => {
    await warm();
    source.statements.length = 0;
    authorizer.drop([{ entity, id }]);
    await warm();
    return source.statements.map(({ kind }) => kind).sort();
  };
  assert.deepEqual(await readBy("user", idOf("user", 1)), ["user"]);
  assert.deepEqual(await readBy("task", taskChannel.id), ["task"]);
  assert.deepEqual(await readBy("workstation", workstation.id), ["workstation"]);
  assert.deepEqual(await readBy("project", PROJECT), ["project", "task", "workstation"]);
  assert.deepEqual(await readBy("organization", ORG), ["project", "task", "user", "workstation"]);
  assert.deepEqual(await readBy("organization", idOf("org", 2)), []);
});

for (const [entity, id] of [
  ["user", idOf("user", 1)],
  ["organization", ORG],
] as const) {
  test(`a response in flight when its ${entity} was dropped is discarded`, async () => {
    const { source, authorizer } = setUp();
    const door = gate();
    source.gate = door.shut;
    const asked = authorizer.roles(user(1));
    await turn();
    await turn();
    assert.equal(source.statements.length, 1);
    source.tables.user.set(idOf("user", 1), { memberships: [] });
    authorizer.drop([{ entity, id }]);
    source.gate = null;
    const askedAfter = authorizer.roles(user(1));
    door.open();
    assert.equal((await askedAfter).size, 0);
    assert.equal((await asked).size, 0);
    assert.equal((await authorizer.roles(user(1))).size, 0);
  });
}

test("while the database is unavailable, cached facts serve until the outage lasts too long", async () => {
  const { source, clock, authorizer } = setUp();
  await authorizer.rights(user(1), taskChannel);
  source.failure = unavailable();
  clock.now += CACHE_MS + 1;
  assert.equal((await authorizer.rights(user(1), taskChannel)).publish, true);
  clock.now += 60_000;
  const rights = authorizer.rights(user(1), taskChannel);
  assert.ok(!(rights instanceof Promise) && rights.publish);
  await turn();
  await turn();
  clock.now += OUTAGE_MS;
  await assert.rejects(async () => authorizer.rights(user(1), taskChannel), { code: "unavailable" });
});

test("while the database is unavailable, uncached and dropped facts are unavailable", async () => {
  const { source, authorizer } = setUp();
  await authorizer.rights(user(1), taskChannel);
  source.failure = unavailable();
  await assert.rejects(authorizer.accountRefusal(user(2)), { code: "unavailable" });
  authorizer.drop([{ entity: "user", id: idOf("user", 1) }]);
  await assert.rejects(async () => authorizer.rights(user(1), taskChannel), { code: "unavailable" });
});

test("lookups served from stale facts detect that the database is available again", async () => {
  const { source, clock, authorizer } = setUp();
  await authorizer.rights(user(1), taskChannel);
  source.failure = unavailable();
  clock.now += CACHE_MS + 1;
  await authorizer.rights(user(1), taskChannel);
  source.failure = null;
  source.tables.user.set(idOf("user", 1), { memberships: [] });
  clock.now += 1_001;
  assert.equal((await authorizer.rights(user(1), taskChannel)).publish, true);
  await turn();
  await turn();
  assert.equal((await authorizer.rights(user(1), taskChannel)).publish, false);
});

test("a failure other than an outage reaches the caller, and no stale facts serve", async () => {
  const { source, clock, authorizer } = setUp();
  await authorizer.rights(user(1), taskChannel);
  source.failure = new Error("column does not exist");
  clock.now += CACHE_MS + 1;
  await assert.rejects(async () => authorizer.rights(user(1), taskChannel), /column does not exist/);
});

test("a refresh reads the half-expired facts in use, in one statement per kind, so that rights are synchronous", async () => {
  const { source, clock, authorizer } = setUp(500);
  const inUse = Array.from({ length: 500 }, (_, index) => ({ principal: user(index + 1), channels: [taskChannel] }));
  assert.equal(await authorizer.refresh(inUse), true);
  assert.deepEqual(source.statements.map(({ kind }) => kind).sort(), ["task", "user"]);
  clock.now += CACHE_MS / 2;
  assert.equal(await authorizer.refresh(inUse), true);
  assert.equal(source.statements.length, 2);
  clock.now += 1;
  assert.equal(await authorizer.refresh(inUse), true);
  assert.equal(source.statements.length, 4);
  clock.now += CACHE_MS;
  assert.ok(!(authorizer.rights(user(500), taskChannel) instanceof Promise));
});

test("a refresh reports whether the database was unavailable, and rights continue", async () => {
  const { source, clock, authorizer } = setUp();
  const inUse = [{ principal: user(1), channels: [taskChannel] }];
  await authorizer.refresh(inUse);
  source.failure = unavailable();
  clock.now += CACHE_MS + 1;
  assert.equal(await authorizer.refresh(inUse), false);
  const rights = authorizer.rights(user(1), taskChannel);
  assert.ok(!(rights instanceof Promise) && rights.publish);
  source.failure = null;
  assert.equal(await authorizer.refresh(inUse), true);
});

test("a database that is too slow counts as unavailable", async () => {
  const { source, clock, authorizer } = setUp();
  const inUse = [{ principal: user(1), channels: [taskChannel] }];
  await authorizer.refresh(inUse);
  source.failure = new HubError("timeout", "The database took too long.");
  clock.now += CACHE_MS + 1;
  assert.equal((await authorizer.rights(user(1), taskChannel)).publish, true);
  assert.equal(await authorizer.refresh(inUse), false);
  await assert.rejects(authorizer.accountRefusal(user(2)), { code: "timeout" });
});

test("services need no statement for themselves", async () => {
  const { source, authorizer } = setUp();
  const service: Principal = { kind: "service", id: "backend", organizations: "*" };
  assert.equal(await authorizer.accountRefusal(service), null);
  assert.deepEqual(await authorizer.organizationIds(service), []);
  assert.equal(source.statements.length, 0);
});

test.run();
