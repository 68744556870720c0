import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { HistoryReply, SubscribeReply } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { loadConfig } from "../../hub/config/config.ts";
import { createLogger } from "../../hub/kernel/log.ts";
import { startNode } from "../../hub/node/node.ts";
import type { RunningNode } from "../../hub/node/running-node.ts";
import { Database } from "../../hub/store/database.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { urlOf } from "../support/database.ts";
import { withFolder } from "../support/faults.ts";
import { POSTGRES_15 } from "../support/needs.ts";
import { program } from "../support/program.ts";
import { RawClient } from "../support/raw-client.ts";
import { type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("restores as docs/deploy.md describes them", "redis-server", "PostgreSQL 15");
const LIMIT_MS = 120_000;
const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 };
const TOKEN = "svc_restores_restores_restores_00";
const ORGANIZATION = `org_${ulid()}`;
const PROJECT = `proj_${ulid()}`;
const TASK = `task_${ulid()}`;
const CHANNEL = `task:${TASK}` as const;

const idOf = (flag: "-u" | "-g") => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));

/** A Debian Postgres 15, a Redis, and hubs on both. */
class Site {
  readonly folder: string;
  readonly redis: RedisServer;
  #hub: RunningNode | null = null;
  readonly #clients: RawClient[] = [];

  constructor(folder: string, redis: RedisServer) {
    this.folder = folder;
    this.redis = redis;
  }

  get dataDir(): string {
    return join(this.folder, "pg");
  }

  get socketDir(): string {
    return join(this.folder, "socket");
  }

  startPostgres(): void {
    if (!existsSync(this.dataDir)) {
      for (const made of [this.folder, this.socketDir]) mkdirSync(made, { recursive: true });
      for (const entered of [this.folder, this.socketDir]) chmodSync(entered, 0o777);
      this.#asPostgres(
        "initdb",
        "-D",
        this.dataDir,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
      );
    }
    const options = `-c unix_socket_directories=${this.socketDir} -c listen_addresses= -c fsync=off -c max_connections=200`;
    this.#asPostgres("pg_ctl", "-D", this.dataDir, "-l", join(this.socketDir, "log"), "-o", options, "-w", "start");
  }

  stopPostgres(): void {
    if (existsSync(join(this.dataDir, "postmaster.pid")))
      this.#asPostgres("pg_ctl", "-D", this.dataDir, "-m", "fast", "-w", "stop");
  }

  /** The server itself never runs as root. */
  #asPostgres(program: string, ...args: string[]): void {
    const as = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : {};
    execFileSync(join(POSTGRES_15, program), args, { ...as, stdio: "ignore", cwd: this.folder });
  }

  /** Runs one of Postgres' programs against this server. */
  run(program: string, ...args: string[]): void {
    execFileSync(join(POSTGRES_15, program), ["-h", this.socketDir, "-U", "postgres", ...args], { stdio: "pipe" });
  }

  async on<Result>(database: string, body: (database: Database) => Promise<Result>): Promise<Result> {
    const opened = new Database({ socketDir: this.socketDir, user: "postgres", database, max: 2, ...TIMES });
    try {
      return await body(opened);
    } finally {
      await opened.close();
    }
  }

  /** Runs the steps of a deployment's `npm run migrate`, with arguments. */
  migrate(database: string, ...args: string[]): void {
    const url = urlOf({ socketDir: this.socketDir, user: "postgres", database });
    const root = join(import.meta.dirname, "../..");
    const env = { ...process.env, DATABASE_URL: url };
    execFileSync(process.execPath, [...program("scripts/migrate.ts"), ...args], {
      cwd: root,
      env,
      stdio: "pipe",
    });
  }

  async startHub(database: string): Promise<void> {
    const sha256 = createHash("sha256").update(TOKEN).digest("hex");
    const config = loadConfig({
      PORT: "0",
      DATA_DIR: join(this.folder, "data"),
      DEVELOPMENT: "on",
      DATABASE_URL: urlOf({ socketDir: this.socketDir, user: "postgres", database }),
      REDIS_URL: this.redis.url,
      SERVICE_TOKENS: JSON.stringify([{ name: "test", sha256, organizations: "*" }]),
    });
    this.#hub = await startNode({ config, log: createLogger("fatal") });
  }

  async stopHub(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await this.#hub?.stop({ drain: false });
    this.#hub = null;
  }

  async connect(): Promise<RawClient> {
    const client = new RawClient(this.#hub?.url ?? "", { token: TOKEN });
    this.#clients.push(client);
    await client.welcomed();
    return client;
  }
}

const subscribe = (client: RawClient, recover?: { epoch: string; offset: number }) =>
  client.request("subscribe", { channel: CHANNEL, ...(recover && { recover }) }) as Promise<SubscribeReply>;

/** The titles in the channel's stream, in order. */
async function titlesOn(client: RawClient): Promise<string[]> {
  const { publications } = (await client.request("history", { channel: CHANNEL, limit: 1_000 })) as HistoryReply;
  return publications.flatMap(({ payload }) => (payload as { changed?: { title?: string } }).changed?.title ?? []);
}

const write = (site: Site, database: string, title: string) =>
  site.on(database, (opened) => opened.query((sql) => sql`UPDATE tasks SET title = ${title} WHERE id = ${TASK}`));

async function isPublished(client: RawClient, title: string): Promise<void> {
  await until(`${title} is published`, async () => (await titlesOn(client)).includes(title));
}

const refusedOf = (site: Site, database: string) =>
  site
    .on(database, (opened) => opened.query((sql) => sql`SELECT id, reason FROM feed_refused`))
    .then((rows) => [...rows]);

/** A hub that has published two changes of a task, and the position of a subscriber. */
async function withSite(
  body: (site: Site, position: { epoch: string; offset: number }) => Promise<void>,
): Promise<void> {
  await withFolder((folder) =>
    withRedis(async (redis) => {
      const site = new Site(folder, redis);
      try {
        site.startPostgres();
        await site.on("postgres", (admin) => admin.unlimited.unsafe("CREATE DATABASE hub"));
        await site.on("hub", async (database) => {
          await migrate(database.unlimited, { embeddedDir: null });
          await database.query(
            (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${ORGANIZATION}, 'o', 'o')`,
          );
          await database.query(
            (sql) => sql`INSERT INTO projects (id, organization_id, name) VALUES (${PROJECT}, ${ORGANIZATION}, 'P')`,
          );
          await database.query(
            (sql) => sql`INSERT INTO tasks (id, project_id, title) VALUES (${TASK}, ${PROJECT}, 'created')`,
          );
        });
        await site.startHub("hub");
        const client = await site.connect();
        await isPublished(client, "created");
        const { epoch, offset } = await subscribe(client);
        await body(site, { epoch, offset });
      } finally {
        await site.stopHub();
        site.stopPostgres();
      }
    }),
  );
}

test(
  "dump and restore: waiting changes in the dump are published, and subscribers reload",
  () =>
    withSite(async (site, position) => {
      await site.stopHub();
      await write(site, "hub", "waits in the dump");
      const dump = join(site.folder, "hub.dump");
      site.run("pg_dump", "-Fc", "-f", dump, "hub");
      site.run("createdb", "restored");
      site.run("pg_restore", "-d", "restored", "--no-owner", dump);
      site.migrate("restored");
      await site.startHub("restored");
      const client = await site.connect();
      await isPublished(client, "waits in the dump");
      is((await subscribe(client, position)).recovered, false);
      await write(site, "restored", "later");
      await isPublished(client, "later");
      equal(await refusedOf(site, "restored"), []);
    }),
  LIMIT_MS,
);

/** Owned by the user that Postgres runs as. */
function giveTo(folder: string, { uid, gid }: { uid: number; gid: number }): void {
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    chownSync(join(folder, file), uid, gid);
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o700);
}

/** A base backup, kept changes, a restore point, and lost changes. Then the database is restored to the point. */
async function restoreToPoint(site: Site): Promise<void> {
  const [archive, backup] = [join(site.folder, "archive"), join(site.folder, "backup")];
  mkdirSync(archive);
  chmodSync(archive, 0o777);
  await site.stopHub();
  await site.on("postgres", async ({ unlimited: sql }) => {
    await sql.unsafe("ALTER SYSTEM SET archive_mode = on");
    await sql.unsafe(`ALTER SYSTEM SET archive_command = 'cp %p ${archive}/%f'`);
  });
  site.stopPostgres();
  site.startPostgres();
  const owner = statSync(site.dataDir);
  site.run("pg_basebackup", "-D", backup, "-c", "fast");
  await site.startHub("hub");
  await write(site, "hub", "kept");
  await isPublished(await site.connect(), "kept");
  await site.on("postgres", ({ unlimited: sql }) => sql`SELECT pg_create_restore_point('before')`);
  for (const title of ["lost one", "lost two"]) await write(site, "hub", title);
  await isPublished(await site.connect(), "lost two");
  await site.on("postgres", ({ unlimited: sql }) => sql`SELECT pg_switch_wal()`);
  const isArchived = ({ unlimited: sql }: Database) =>
    sql`SELECT last_archived_wal IS NOT NULL AND archived_count > 1 AS done FROM pg_stat_archiver`.then(
      ([row]) => row?.done === true,
    );
  await until("the log is archived", () => site.on("postgres", isArchived), 20_000);
  await site.stopHub();
  site.stopPostgres();
  renameSync(site.dataDir, `${site.dataDir}.before`);
  renameSync(backup, site.dataDir);
  const settings = [
    `restore_command = 'cp ${archive}/%f %p'`,
    "recovery_target_name = 'before'",
    "recovery_target_action = 'promote'",
  ];
  appendFileSync(join(site.dataDir, "postgresql.auto.conf"), `${settings.join("\n")}\n`);
  writeFileSync(join(site.dataDir, "recovery.signal"), "");
  giveTo(site.dataDir, owner);
  site.startPostgres();
  await until("it is promoted", () =>
    site.on("hub", async ({ unlimited: sql }) => (await sql`SELECT NOT pg_is_in_recovery() AS done`)[0]?.done === true),
  );
}

test(
  "restored to a point in time beside its Redis, with a new identity: subscribers reload",
  () =>
    withSite(async (site, position) => {
      await restoreToPoint(site);
      site.migrate("hub", "--new-identity");
      await site.startHub("hub");
      const client = await site.connect();
      is((await subscribe(client, position)).recovered, false);
      await write(site, "hub", "after");
      await isPublished(client, "after");
      ok(!(await titlesOn(client)).includes("lost two"));
      equal(await refusedOf(site, "hub"), []);
    }),
  LIMIT_MS,
);

test(
  "restored to a point in time without a new identity: event numbers repeat, and every change is published",
  () =>
    withSite(async (site) => {
      await restoreToPoint(site);
      await site.startHub("hub");
      const client = await site.connect();
      for (const title of ["after one", "after two", "after three"]) await write(site, "hub", title);
      await isPublished(client, "after three");
      equal(await titlesOn(client), [
        "created",
        "kept",
        "lost one",
        "lost two",
        "after one",
        "after two",
        "after three",
      ]);
      equal(await refusedOf(site, "hub"), []);
    }),
  LIMIT_MS,
);

for (const isPutBack of [false, true]) {
  test(
    `Redis ${isPutBack ? "restored from a copy" : "lost"} beside the database: live subscribers get lost, others reload, and changes are published`,
    () =>
      withSite(async (site) => {
        const client = await site.connect();
        await subscribe(client);
        if (isPutBack) await site.redis.admin.save();
        await write(site, "hub", "before");
        await isPublished(client, "before");
        const { epoch, offset } = await subscribe(await site.connect());
        await site.redis.kill();
        await site.redis.start();
        await until("subscribers are notified", () => client.received("unsubscribed", CHANNEL).length > 0, 20_000);
        await write(site, "hub", "after");
        await isPublished(await site.connect(), "after");
        is((await subscribe(await site.connect(), { epoch, offset })).recovered, false);
        equal(await refusedOf(site, "hub"), []);
      }),
    LIMIT_MS,
  );
}

test.run();
