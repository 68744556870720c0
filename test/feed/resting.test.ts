import { pino } from "pino";
import { is, ok } from "uvu/assert";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import { ChangeFeed, type ChangeFeedOptions, type ChangeSource } from "../../hub/feed/change-feed.ts";
import { AuditListener } from "../../hub/store/audit-listener.ts";
import type { ConnectionOptions, Database } from "../../hub/store/database.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a change feed that rests");
const log = pino({ level: "silent" });
/** So long that no test can depend on it. */
const NEVER_MS = 3_600_000;

interface RunningFeed {
  looks(): number;
  /** Resolves once it stops looking: it has been idle for the time of many polls. */
  rested(): Promise<void>;
  published(): number;
}

interface Pace {
  /** The address it listens on; default: the database itself. */
  listenTo?: ConnectionOptions;
  restMs: number;
}

/** A feed with its real listener on a real database. */
async function withFeed(database: Database, pace: Pace, body: (feed: RunningFeed) => Promise<void>): Promise<void> {
  const broker = new MemoryBroker({ retention: () => ({ size: 10, ttlMs: 60_000 }), positionTtlMs: 60_000 });
  const store = new ChangeFeedStore(database);
  let looks = 0;
  const source: ChangeSource = {
    look() {
      looks += 1;
      return store.look();
    },
    claim: (limit) => store.claim(limit),
    settle: (settlement) => store.settle(settlement),
  };
  const listener = new AuditListener({
    connection: pace.listenTo ?? database.connection,
    connectTimeoutMs: 1_000,
    onWake: () => feed.wake(),
    notify: (channel, payload) => database.query((sql) => sql`SELECT pg_notify(${channel}, ${payload})`),
    log,
  });
  const options: ChangeFeedOptions = {
    source,
    broker,
    rememberMs: 0,
    ensureListening: () => listener.ensureListening(),
    isReceiving: () => listener.isReceiving(),
    onTouched: () => undefined,
    onInvited: () => undefined,
    onPublished: () => undefined,
    pollMs: 5,
    restMs: pace.restMs,
    log,
  };
  const feed: ChangeFeed = new ChangeFeed(options);
  feed.start();
  const rested = async () => {
    const before = looks;
    for (let round = 0; round < 100; round += 1) await database.ping();
    return looks === before;
  };
  try {
    await body({
      looks: () => looks,
      rested: async () => void (await until("it rests", rested)),
      published: () => feed.published,
    });
  } finally {
    await feed.close();
    await listener.close();
    await broker.close();
  }
}

async function addOrganization(database: Database, number: number): Promise<void> {
  const id = `org_${String(number).padStart(26, "0")}`;
  await database.query((sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${id}, 'o', ${`o${number}`})`);
}

async function listenerOf(database: Database): Promise<number> {
  const [row] = await database.query(
    (sql) => sql<{ pid: number }[]>`SELECT pid FROM pg_stat_activity
      WHERE query = 'LISTEN hub_audit' AND datname = current_database()`,
  );
  ok(row);
  return row.pid;
}

test("stops looking once notifications are proven to arrive, and still receives the next change", () =>
  withDatabase((database) =>
    withFeed(database, { restMs: NEVER_MS }, async (feed) => {
      await feed.rested();
      await addOrganization(database, 1);
      await until("the change is published", () => feed.published() === 1);
      await feed.rested();
    }),
  ));

test("never rests while its notifications don't arrive", () =>
  withDatabase((database) =>
    withFeed(
      database,
      { listenTo: { ...database.connection, database: "postgres" }, restMs: NEVER_MS },
      async (feed) => {
        for (let number = 1; number <= 3; number += 1) {
          await addOrganization(database, number);
          await until("the change is published", () => feed.published() === number);
        }
        const before = feed.looks();
        await until("it continues to look", () => feed.looks() > before + 10);
      },
    ),
  ));

test("publishes within its rest a change committed after notifications stopped arriving, and rests again afterwards", () =>
  withDatabase((database) =>
    withFeed(database, { restMs: 300 }, async (feed) => {
      await until("it is proven", () => feed.looks() > 0 && feed.rested().then(() => true));
      const pid = await listenerOf(database);
      process.kill(pid, "SIGSTOP");
      try {
        await addOrganization(database, 1);
        await until("the change is published", () => feed.published() === 1);
        const before = feed.looks();
        await until("it polls while notifications don't arrive", () => feed.looks() > before + 10);
      } finally {
        process.kill(pid, "SIGCONT");
      }
      await feed.rested();
      is(feed.published(), 1);
    }),
  ));

test("looks immediately, and listens again, when its listening connection is lost", () =>
  withDatabase((database) =>
    withFeed(database, { restMs: NEVER_MS }, async (feed) => {
      await feed.rested();
      const pid = await listenerOf(database);
      const before = feed.looks();
      await database.query((sql) => sql`SELECT pg_terminate_backend(${pid})`);
      await until("it looks", () => feed.looks() > before);
      await feed.rested();
      await addOrganization(database, 1);
      await until("the change is published", () => feed.published() === 1);
    }),
  ));

test.run();
