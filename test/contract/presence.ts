import type { PresenceDiff, PresencePosition } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import type { JoinRequest, OwnerTicket, PresenceStore, WorkstationPresence } from "../../hub/presence/presence.ts";
import type { Need } from "../support/needs.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

export interface PresenceUnderTest {
  store: PresenceStore;
  changed: WorkstationPresence[];
  replaced: { connectionId: string; channel: string }[];
  close(): Promise<void>;
}

const WS = "ws_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const OWN = `workstation:${WS}`;
const PROJECT = "proj_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const PROJECT_CHANNEL = `project:${PROJECT}:workstations`;
const TASK = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const NOBODY = { ipAddress: null, userAgent: null, cliVersion: null };
export const GRACE_MS = 60;
/** Longer than any store takes for two changes. */
const LONG_WINDOW_MS = 400;

/** Joins as a workstation's connection does: it is admitted before. */
async function join(
  store: PresenceStore,
  connectionId: string,
  meta: Record<string, unknown>,
  id = WS,
): Promise<PresencePosition> {
  const ticket = await store.admit(id);
  return store.join(workstation(connectionId, meta, ticket, id));
}
function workstation(
  connectionId: string,
  meta: Record<string, unknown>,
  ticket: OwnerTicket,
  id = WS,
): JoinRequest & { workstation: object } {
  const key = `workstation:${id}`;
  return {
    channel: key,
    connectionId,
    key,
    memberKey: { workstationId: id },
    meta,
    workstation: { projectIds: [PROJECT], client: NOBODY, ticket },
  };
}
function user(connectionId: string, meta: Record<string, unknown>): JoinRequest {
  return { channel: TASK, connectionId, key: "user:u", memberKey: { userId: "u" }, meta };
}

/**
 * What every presence store promises; run by each implementation's own test file. `make` gives an empty store that shares
 * nothing with those made before.
 */
export function presenceContract(
  name: string,
  make: (graceMs: number, diffWindowMs?: number) => Promise<PresenceUnderTest>,
  ...needs: Need[]
): void {
  const test = suite(`presence contract: ${name}`, ...needs);
  const withStore = (body: (under: PresenceUnderTest) => Promise<void>, diffWindowMs?: number) => async () => {
    const under = await make(GRACE_MS, diffWindowMs);
    try {
      await body(under);
    } finally {
      await under.close();
    }
  };
  const watch = async (store: PresenceStore, channel: string) => {
    const diffs: PresenceDiff[] = [];
    const start = await store.watch(channel, (_channel, diff) => void diffs.push(diff));
    return { start, diffs };
  };

  test(
    "members are counted, live and suspect ones, on their own channel and on those that show them",
    withStore(async ({ store }) => {
      const counts = () => Promise.all([OWN, PROJECT_CHANNEL, TASK].map((channel) => store.count(channel)));
      equal(await counts(), [0, 0, 0]);
      await join(store, "a", {});
      await store.join(user("b", {}));
      await store.join(user("c", {}));
      await until("the project shows it", async () => (await counts()).join() === "1,1,1");
      await store.lose(TASK, "b");
      await store.lose(TASK, "c");
      is((await store.list(TASK)).members[0]?.state, "suspect");
      is(await store.count(TASK), 1);
      await store.leave(OWN, "a", "left");
      await until("all have left", async () => (await counts()).join() === "0,0,0");
    }),
  );

  test(
    "a member joins, updates and leaves, each one version",
    withStore(async ({ store }) => {
      const joined = await store.join(user("c1", { a: 1 }));
      equal((await store.update(TASK, "c1", { a: 2 })).version, joined.version + 1);
      const [member] = (await store.list(TASK)).members;
      equal([member?.key, member?.meta, member?.connections, member?.state], ["user:u", { a: 2 }, 1, "live"]);
      equal(await store.leave(TASK, "c1", "left"), { epoch: joined.epoch, version: joined.version + 2 });
      equal((await store.list(TASK)).members, []);
    }),
  );

  test(
    "several connections are one member with the newest meta among those that remain",
    withStore(async ({ store }) => {
      await store.join(user("c1", { from: 1 }));
      await store.join(user("c2", { from: 2 }));
      await store.update(TASK, "c1", { from: "1 again" });
      const one = async () => (await store.list(TASK)).members.map(({ meta, connections }) => [meta, connections]);
      equal(await one(), [[{ from: "1 again" }, 2]]);
      await store.leave(TASK, "c1", "left");
      equal(await one(), [[{ from: 2 }, 1]]);
    }),
  );

  test(
    "diffs follow one another and yield the roster",
    withStore(async ({ store }) => {
      const { start, diffs } = await watch(store, TASK);
      await store.join(user("c1", { a: 1 }));
      await until("the join", () => diffs.length === 1);
      await store.update(TASK, "c1", { a: 2 });
      await store.leave(TASK, "c1", "left");
      await until("the rest", () => diffs.at(-1)?.version === start.version + 3);
      let version: number | null = start.version;
      for (const diff of diffs) {
        is(diff.from, version);
        version = diff.version;
      }
      equal(
        diffs[0]?.joins.map(({ key }) => key),
        ["user:u"],
      );
      equal(diffs.at(-1)?.leaves, [{ key: "user:u", reason: "left" }]);
    }),
  );

  test(
    "a leave and a join in one diff are an update, a join and a leave are nothing",
    withStore(async ({ store }) => {
      await store.join(user("c1", {}));
      const { start, diffs } = await watch(store, TASK);
      // The first change is sent immediately, and later ones within the window are merged.
      await store.update(TASK, "c1", { still: "here" });
      await until("the first diff", () => diffs.length === 1);
      await store.leave(TASK, "c1", "left");
      await store.join(user("c2", { back: true }));
      await until("the diff", () => diffs.length === 2);
      equal([diffs[1]?.joins, diffs[1]?.leaves, diffs[1]?.updates.length], [[], [], 1]);
      is(diffs[1]?.version, start.version + 3);
      await store.join({ ...user("c3", {}), key: "user:v", memberKey: { userId: "v" } });
      await store.leave(TASK, "c3", "left");
      await until("the empty diff", () => diffs.at(-1)?.version === start.version + 5);
      equal([diffs.at(-1)?.joins, diffs.at(-1)?.leaves, diffs.at(-1)?.updates], [[], [], []]);
    }, LONG_WINDOW_MS),
  );

  test(
    "a snapshot taken while changes wait fits the diff after it",
    withStore(async ({ store }) => {
      const { diffs } = await watch(store, TASK);
      await store.join(user("c1", {}));
      const second = await watch(store, TASK);
      is(diffs.at(-1)?.version, second.start.version);
      await store.update(TASK, "c1", { a: 1 });
      await until("the next diff", () => second.diffs.length === 1);
      is(second.diffs[0]?.from, second.start.version);
    }),
  );

  test(
    "a roster read while changes wait fits the watcher's next diff",
    withStore(async ({ store }) => {
      const { diffs } = await watch(store, TASK);
      await store.join(user("c1", {}));
      const { version } = await store.list(TASK);
      is(diffs.at(-1)?.version, version, "pending changes were received first");
      await store.update(TASK, "c1", { a: 1 });
      await until("the next diff", () => (diffs.at(-1)?.version ?? 0) > version);
      is(diffs.at(-1)?.from, version);
    }),
  );

  test(
    "a lost connection makes its member suspect, then it leaves once with timeout",
    withStore(async ({ store }) => {
      await store.join(user("c1", { a: 1 }));
      const { diffs } = await watch(store, TASK);
      await store.lose(TASK, "c1");
      await until("suspect", () => diffs[0]?.updates[0]?.state === "suspect");
      equal(diffs[0]?.updates[0]?.connections, 0);
      await until("the leave", () => diffs.at(-1)?.leaves.length === 1);
      equal(diffs.at(-1)?.leaves, [{ key: "user:u", reason: "timeout" }]);
      is(diffs.filter(({ leaves }) => leaves.length > 0).length, 1);
    }),
  );

  test(
    "back within the grace time is one update, never a leave or a join",
    withStore(async ({ store, changed }) => {
      await join(store, "c1", { status: "online" });
      const { diffs } = await watch(store, OWN);
      await store.lose(OWN, "c1");
      await join(store, "c2", { status: "busy" });
      await until("settled", () => diffs.at(-1)?.updates[0]?.state === "live");
      const other = await watch(store, TASK);
      await store.join(user("u1", {}));
      await store.lose(TASK, "u1");
      await until("another member's grace ran out", () => other.diffs.some(({ leaves }) => leaves.length > 0));
      ok(diffs.every(({ joins, leaves }) => joins.length === 0 && leaves.length === 0));
      equal(changed.at(-1)?.state, "live");
    }),
  );

  test(
    "with another live connection a lost one is only counted off",
    withStore(async ({ store }) => {
      await store.join(user("c1", { n: 1 }));
      await store.join(user("c2", { n: 2 }));
      await store.lose(TASK, "c2");
      const [member] = (await store.list(TASK)).members;
      equal([member?.state, member?.connections, member?.meta], ["live", 1, { n: 1 }]);
    }),
  );

  test(
    "the newest join owns a workstation's presence: the older is replaced, with no leave in between",
    withStore(async ({ store, replaced, changed }) => {
      await join(store, "c1", { status: "online" });
      const { diffs } = await watch(store, OWN);
      await join(store, "c2", { status: "busy" });
      await until("the older one is replaced", () => replaced.length > 0);
      equal(replaced, [{ connectionId: "c1", channel: OWN }]);
      is(await codeOf(store.update(OWN, "c1", { status: "online" })), "replaced");
      is(await codeOf(store.leave(OWN, "c1", "left")), "replaced");
      await store.lose(OWN, "c1");
      const [member] = (await store.list(OWN)).members;
      equal([member?.meta, member?.connections, member?.state], [{ status: "busy" }, 1, "live"]);
      await until("the diff", () => diffs.length > 0);
      ok(diffs.every(({ leaves, joins }) => leaves.length === 0 && joins.length === 0));
      ok(changed.every(({ state }) => state === "live"));
    }),
  );

  test(
    "a connection that was admitted earlier and joins later is asked to join again, and owns then",
    withStore(async ({ store, replaced }) => {
      const early = await store.admit(WS);
      await join(store, "c2", { n: 2 });
      const late = workstation("c1", { n: 1 }, early);
      const refusal = await store.join(late).catch((error: unknown) => error);
      equal(
        [Reflect.get(refusal as object, "code"), Reflect.get(refusal as object, "retryAfterMs")],
        ["unavailable", 0],
      );
      equal((await store.list(OWN)).members[0]?.meta, { n: 2 });
      await store.join(late);
      await until("the other one is replaced", () => replaced.length > 0);
      equal([replaced[0]?.connectionId, (await store.list(OWN)).members[0]?.meta], ["c2", { n: 1 }]);
    }),
  );

  test(
    "a connection leaves and joins again with its ticket",
    withStore(async ({ store }) => {
      const ticket = await store.admit(WS);
      await store.join(workstation("c1", { n: 1 }, ticket));
      await store.leave(OWN, "c1", "left");
      await store.join(workstation("c1", { n: 2 }, ticket));
      equal(
        (await store.list(PROJECT_CHANNEL)).members.map(({ meta }) => meta),
        [{ n: 2 }],
      );
    }),
  );

  test(
    "what was not joined can be neither updated nor left",
    withStore(async ({ store }) => {
      is(await codeOf(store.update(OWN, "c1", {})), "not_joined");
      is(await codeOf(store.leave(TASK, "c1", "left")), "not_joined");
    }),
  );

  test(
    "a workstation is mirrored onto its projects and follows when they change",
    withStore(async ({ store }) => {
      const second = "proj_01HZZZZZZZZZZZZZZZZZZZZZZY";
      const on = async (id: string) => (await store.list(`project:${id}:workstations`)).members.map(({ meta }) => meta);
      await join(store, "c1", { n: 1 });
      equal(await on(PROJECT), [{ n: 1 }]);
      await store.update(OWN, "c1", { n: 2 });
      equal(await on(PROJECT), [{ n: 2 }]);
      await store.setProjects(WS, [second]);
      equal([await on(PROJECT), await on(second)], [[], [{ n: 2 }]]);
      await store.leave(OWN, "c1", "left");
      equal(await on(second), []);
    }),
  );

  test(
    "2,000 joins reach a watcher as few diffs that yield every member",
    withStore(async ({ store }) => {
      const { diffs } = await watch(store, PROJECT_CHANNEL);
      const ids = Array.from({ length: 2_000 }, (_, index) => `ws_${String(index).padStart(26, "0")}`);
      while (ids.length > 0) await Promise.all(ids.splice(0, 50).map((id) => join(store, id, {}, id)));
      await until("all joined", () => diffs.reduce((sum, { joins }) => sum + joins.length, 0) === 2_000);
      ok(diffs.length <= 100, `${diffs.length} diffs`);
    }),
  );

  test(
    "revisions of a workstation only grow, through leaving and coming back",
    withStore(async ({ store, changed }) => {
      await join(store, "c1", {});
      await store.update(OWN, "c1", { n: 1 });
      const touched = await store.touch(WS);
      await store.leave(OWN, "c1", "left");
      const { generation = 0, revision = 0 } = changed.at(-1) ?? {};
      await store.raise(WS, { generation, revision: revision + 1_000_000 });
      await join(store, "c2", {});
      const revisions = changed.map(({ revision }) => revision);
      equal(
        revisions,
        [...revisions].sort((a, b) => a - b),
      );
      is(new Set(revisions).size, revisions.length);
      ok(touched && touched.revision > (revisions[1] ?? 0) && touched.revision < (revisions[2] ?? 0));
      ok((revisions[3] ?? 0) > (revisions[2] ?? 0) + 1_000_000);
    }),
  );

  test(
    "revisions are minted for absent workstations alone, and a join afterwards is newer",
    withStore(async ({ store, changed }) => {
      const absent = "ws_01HZZZZZZZZZZZZZZZZZZZZZZY";
      await join(store, "c1", {});
      const minted = await store.mintAbsent([WS, absent]);
      equal(
        minted.map(({ workstationId }) => workstationId),
        [absent],
      );
      await join(store, "c9", {}, absent);
      ok((changed.at(-1)?.revision ?? 0) > (minted[0]?.revision ?? 0));
      equal((await store.present()).map(({ workstationId }) => workstationId).sort(), [WS, absent].sort());
    }),
  );

  test(
    "on hold no member leaves by timeout",
    withStore(async ({ store }) => {
      await store.join(user("c1", {}));
      store.hold();
      await store.lose(TASK, "c1");
      // Another store that is not on hold, lost a moment later, measures the time that has to pass.
      const other = await make(GRACE_MS);
      await other.store.join(user("c1", {}));
      await other.store.lose(TASK, "c1");
      await until("another store's member left", async () => (await other.store.list(TASK)).members.length === 0);
      await other.close();
      equal(
        (await store.list(TASK)).members.map(({ state }) => state),
        ["suspect"],
      );
    }),
  );

  test.run();
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "nothing was thrown";
}
