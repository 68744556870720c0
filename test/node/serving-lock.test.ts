import { equal, is, match, ok } from "uvu/assert";
import { type Holder, SESSION_IDLE_MS } from "../../hub/node/serving.ts";
import { ServingSession } from "../../hub/node/serving-session.ts";
import { ADVISORY_LOCKS } from "../../hub/store/advisory-locks.ts";
import type { Database } from "../../hub/store/database.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { renewIdentity, settleIdentity } from "../../hub/store/identity.ts";
import { writePresences } from "../../hub/store/presence-statement.ts";
import { takeOnce } from "../feed/taken.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { withPgBouncer } from "../support/pgbouncer.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { silentProxyTo } from "./support/silent-proxy.ts";

const test = suite("the lock of the serving hub");

interface Hubs {
  database: Database;
  info: DatabaseInfo;
  open(nodeId: string, withRedis?: boolean, url?: string): Promise<ServingSession>;
}

async function withHubs(body: (hubs: Hubs) => Promise<void>): Promise<void> {
  await withDatabase(async (database, info) => {
    const sessions: ServingSession[] = [];
    const open = async (nodeId: string, withRedis = false, url?: string) => {
      const connection = url === undefined ? info : { url };
      const session = await ServingSession.open({
        connection,
        connectTimeoutMs: 5_000,
        nodeId,
        withRedis,
        onLost: () => undefined,
      });
      sessions.push(session);
      return session;
    };
    try {
      await body({ database, info, open });
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  });
}

async function acquired(session: ServingSession, mine: number | null = null): Promise<number> {
  const outcome = await session.acquire(mine);
  if (outcome.name !== "acquired") throw new Error(`the lock was not acquired: ${JSON.stringify(outcome)}`);
  return outcome.term;
}

async function holderOf(session: ServingSession): Promise<Holder | null> {
  const outcome = await session.acquire(null);
  return outcome.name === "held" ? outcome.holder : null;
}

test("one session without Redis holds it, and it is free as soon as that session ends", () =>
  withHubs(async ({ open }) => {
    const [first, second] = [await open("one"), await open("two")];
    is(await acquired(first), 1);
    equal(await holderOf(second), { nodeId: "one", withRedis: false, own: false });
    await first.close();
    await until("it is free", async () => (await holderOf(second)) === null);
  }));

test("hubs with Redis share it and a term, a hub without waits for the last of them, and takes another term", () =>
  withHubs(async ({ open }) => {
    const shared = [await open("one", true), await open("two", true)];
    equal([await acquired(shared[0] as ServingSession), await acquired(shared[1] as ServingSession)], [1, 1]);
    const alone = await open("three");
    ok((await holderOf(alone))?.withRedis);
    equal(await alone.request(), { name: "request answered", granted: false });
    for (const session of shared) {
      is((await alone.acquire(null)).name, "held");
      await session.release();
    }
    await until("it is free", async () => (await alone.acquire(null)).name === "acquired");
    const late = await open("four", true);
    equal(await holderOf(late), { nodeId: "three", withRedis: false, own: false });
    equal(await late.request(), { name: "request answered", granted: true });
  }));

test("a holder sees the request of a live successor, and no other", () =>
  withHubs(async ({ open }) => {
    const holder = await open("one");
    await acquired(holder);
    const waits = async () => {
      const proof = await holder.prove();
      return proof.name === "proven" && proof.successorWaits;
    };
    is(await waits(), false);
    const dead = await open("two");
    await dead.request();
    is(await waits(), true);
    await dead.close();
    await until("the dead one does not wait", async () => !(await waits()));
  }));

test("a successor whose process id another session has now does not wait, and is removed", () =>
  withHubs(async ({ database, open }) => {
    const holder = await open("one");
    await acquired(holder);
    const other = await open("two");
    await other.request();
    await database.query(
      (sql) => sql`UPDATE serving_hub SET successor_started = successor_started - interval '1 hour'`,
    );
    const proof = await holder.prove();
    is(proof.name === "proven" && proof.successorWaits, false);
    const [row] = await database.query((sql) => sql`SELECT successor_pid FROM serving_hub`);
    is(row?.successor_pid, null);
  }));

const REFUSED = true;
const RESERVED = [
  { name: "hubs with Redis keep a free lock from a hub without", withRedis: true, refused: false },
  { name: "a holder without Redis keeps a free lock from a refused hub", withRedis: false, refused: REFUSED },
];

for (const { name, withRedis, refused } of RESERVED) {
  test(`${name}, until it is released`, () =>
    withHubs(async ({ database, open }) => {
      const holder = await open("holder", withRedis);
      const term = await acquired(holder);
      await holder.close();
      await until("the session has ended", () => isFree(database));
      const other = await open("other");
      is((await other.acquire(null, refused)).name, "held");
      const again = await open("holder", withRedis);
      is(await acquired(again, term), withRedis ? term : term + 1);
      await again.close();
      await database.query((sql) => sql`UPDATE serving_hub SET proven_at = proven_at - interval '1 hour'`);
      is((await other.acquire(null, refused)).name, "held", "it could not know that");
      const last = await open("holder", withRedis);
      await until("the session has ended", () => isFree(database));
      await acquired(last, withRedis ? term : term + 1);
      await last.release();
      await until("a released lock is free", async () => (await other.acquire(null, refused)).name === "acquired");
    }));
}

test("hubs with Redis follow a dead holder immediately, and prove the lock that another one released", () =>
  withHubs(async ({ database, open }) => {
    const dead = await open("dead", true);
    const term = await acquired(dead);
    await dead.close();
    const [one, two] = [await open("one", true), await open("two", true)];
    equal([await acquired(one), await acquired(two)], [term, term]);
    await one.release();
    await two.prove();
    const [row] = await database.query((sql) => sql`SELECT proven_at FROM serving_hub`);
    ok(row?.proven_at);
  }));

async function isFree(database: Database): Promise<boolean> {
  const held = await database.query(
    (sql) => sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) + objid::bigint = ${ADVISORY_LOCKS.serving}::bigint`,
  );
  return held.length === 0;
}

test("a takeover within a minute of another is refused, by the database's clock", () =>
  withHubs(async ({ database, open }) => {
    const first = await open("one");
    await acquired(first);
    const second = await open("two");
    equal(await second.request(), { name: "request answered", granted: true });
    await first.close();
    await until("the second holds it", async () => (await second.acquire(null)).name === "acquired");
    const third = await open("three");
    equal(await third.request(), { name: "request answered", granted: false });
    await database.query((sql) => sql`UPDATE serving_hub SET taken_over_at = taken_over_at - interval '1 minute'`);
    equal(await third.request(), { name: "request answered", granted: true });
  }));

test("a hub that was cut off acquires it again if no other served, and never otherwise", () =>
  withHubs(async ({ open }) => {
    const before = await open("one");
    const term = await acquired(before);
    await before.close();
    const again = await open("one");
    await until("its former session has ended", async () => (await again.acquire(term)).name === "acquired");
    await again.close();
    const other = await open("two");
    await until("another serves", async () => (await other.acquire(null)).name === "acquired");
    await other.close();
    const late = await open("one");
    await until("it detects the other", async () => (await late.acquire(term)).name === "superseded");
  }));

test(
  "a host that vanishes behind a proxy which keeps its connection frees it within the session's time",
  () =>
    withHubs(async ({ info, open }) => {
      const proxy = await silentProxyTo(info);
      try {
        const vanished = await open("one", false, proxy.url);
        await acquired(vanished);
        const waiting = await open("two");
        proxy.swallow();
        const vanishedAt = performance.now();
        await until(
          "it is free",
          async () => (await waiting.acquire(null)).name === "acquired",
          SESSION_IDLE_MS + 10_000,
        );
        const freeMs = performance.now() - vanishedAt;
        ok(freeMs < SESSION_IDLE_MS + 1_500, `free after ${freeMs} ms`);
      } finally {
        proxy.close();
      }
    }),
  40_000,
);

test("a former term, or a former identity of the database, publishes nothing and writes nothing", () =>
  withHubs(async ({ database, open }) => {
    const holder = await open("one");
    const term = await acquired(holder);
    await database.query(
      (sql) => sql`INSERT INTO organizations (id, name, slug)
      VALUES ('org_00000000000000000000000001', 'One', 'one')`,
    );
    const taken: string[] = [];
    const takeIn = async (named: number | null, identity: string | null = null) => {
      const store = new ChangeFeedStore(database, { fence: () => (named === null ? null : { term: named, identity }) });
      const changes = await takeOnce(store, 10);
      taken.push(...(changes ?? []).map(({ entity }) => entity));
      return changes;
    };
    is(await takeIn(null), null);
    equal(await takeIn(term - 1), []);
    const { value: identity } = await settleIdentity(database);
    const renewed = await renewIdentity(database);
    equal(await takeIn(term, identity), []);
    equal(taken, []);
    equal((await takeIn(term, renewed))?.length, 1);
    await database.query(
      (sql) => sql`INSERT INTO workstations (id, organization_id, name)
      VALUES ('ws_00000000000000000000000001', 'org_00000000000000000000000001', 'Machine')`,
    );
    const row = {
      columns: {
        id: "ws_00000000000000000000000001",
        generation: 1,
        revision: 5,
        status: "online",
        described: true,
        heartbeat_at: null,
        member_key: null,
        meta: {},
        dev_server_enabled: false,
        dev_server_port: null,
        ip_address: null,
        user_agent: null,
        cli_version: null,
      },
      steps: [],
      seenAt: null,
      presence: null,
    } as unknown as Parameters<typeof writePresences>[1][number];
    equal(await writePresences(database, [row], { term: term - 1, identity: null }), [
      { id: row.columns.id, row: null },
    ]);
    equal(await writePresences(database, [row], { term, identity }), [{ id: row.columns.id, row: null }]);
    equal(await writePresences(database, [row], { term, identity: renewed }), []);
  }));

const withPooler = test.needing("pgbouncer");

withPooler("behind a pooler in session mode it holds", () =>
  withHubs(({ info, open }) =>
    withPgBouncer(info, { mode: "session" }, async ({ connection }) => {
      const holder = await open("one", false, connection.url);
      await acquired(holder);
      is((await holder.prove()).name, "proven");
      is((await holderOf(await open("two")))?.nodeId, "one");
      await holder.close();
    }),
  ),
);

withPooler("behind a pooler in transaction mode a proof fails as soon as another session answers", () =>
  withHubs(({ info, open }) =>
    withPgBouncer(info, { mode: "transaction", settings: ["server_round_robin = 1"] }, async ({ connection }) => {
      const holder = await open("one", false, connection.url);
      const other = await open("two", false, connection.url);
      let failure = "";
      await until("another session answers", async () => {
        const outcome = await Promise.all([holder.prove(), other.prove()]).catch((error: Error) => error);
        failure = outcome instanceof Error ? outcome.message : "";
        return failure !== "";
      });
      match(failure, "transaction pooler");
    }),
  ),
);

test.run();
