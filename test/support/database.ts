import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, Database, type DatabaseOptions } from "../../hub/store/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { EmbeddedPostgresError } from "../../hub/store/embedded-binaries.ts";
import { claim, endLeftover } from "../../hub/store/embedded-owner.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { withPgBouncer } from "./pgbouncer.ts";

/** How to reach one test database. */
export interface DatabaseInfo {
  socketDir: string;
  user: string;
  database: string;
}

/** The value for DATABASE_URL. */
export function urlOf({ socketDir, user, database }: DatabaseInfo): string {
  return `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
}

/** The migrated database that every test copies. */
export const TEMPLATE = "hub_template";
const ENV = "TEST_POSTGRES";
const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 };

/** A server for one run of the tests, which loses its data when the machine crashes, with a migrated template. */
export async function startTestServer(
  binaries?: string,
): Promise<{ env: Record<string, string>; stop(): Promise<void> }> {
  const base = fastFolder();
  await removeLeftovers(base);
  const folder = mkdtempSync(join(base, PREFIX));
  const parts = { dataDir: join(folder, "pg"), fsync: false, maxConnections: 200 };
  const server = await startEmbeddedPostgres(binaries ? { ...parts, binaries } : parts);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await prepareTemplate(server);
  } catch (error) {
    // Otherwise it would keep the test's process alive.
    await stop();
    throw error;
  }
  return { env: { [ENV]: JSON.stringify(server.connection) }, stop };
}

const MEMORY = "/dev/shm";
const MEMORY_BYTES = 2 ** 31;
const PREFIX = "hub-test-";

/** In memory if there is room: to copy a database costs a ninth there, and each test copies one. */
function fastFolder(): string {
  try {
    accessSync(MEMORY, constants.W_OK | constants.X_OK);
  } catch {
    return tmpdir();
  }
  const { bavail, bsize } = statfsSync(MEMORY);
  const limits = [bavail * bsize, freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY];
  return Math.min(...limits) >= MEMORY_BYTES ? MEMORY : tmpdir();
}

/** Removes the servers of runs that were killed: memory has no other end than that of the machine. */
async function removeLeftovers(base: string): Promise<void> {
  const own = process.getuid?.();
  for (const name of readdirSync(base).filter((one) => one.startsWith(PREFIX))) {
    const dataDir = join(base, name, "pg");
    if (!existsSync(`${dataDir}.owner`) || statSync(join(base, name)).uid !== own) continue;
    try {
      const release = claim(dataDir);
      await endLeftover(dataDir, `${dataDir}-socket`);
      release();
      rmSync(join(base, name), { recursive: true, force: true });
    } catch (error) {
      // Another run uses it.
      if (!(error instanceof EmbeddedPostgresError)) throw error;
    }
  }
}

async function prepareTemplate({ connection }: EmbeddedPostgres): Promise<void> {
  const admin = new Database({ ...connection, max: 1, ...TIMES });
  const template = new Database({ ...connection, database: TEMPLATE, max: 2, ...TIMES });
  try {
    await admin.unlimited.unsafe(`CREATE DATABASE ${TEMPLATE}`);
    await migrate(template.unlimited, { embeddedDir: null });
  } finally {
    await Promise.all([admin.close(), template.close()]);
  }
}

let own: ReturnType<typeof startTestServer> | null = null;

/** The server of the run; a file that is run by hand starts its own, which ends with the process's tests. */
async function serverOfRun(): Promise<DatabaseInfo> {
  if (!process.env[ENV]) {
    own ??= startTestServer();
    Object.assign(process.env, (await own).env);
  }
  return JSON.parse(process.env[ENV] ?? "") as DatabaseInfo;
}

/** The body of a test with a separate database. */
export type WithDatabase = (body: (database: Database, info: DatabaseInfo) => Promise<void>) => Promise<void>;

/** Runs `body` with a fresh, migrated database, and drops it. */
export const withDatabase: WithDatabase = async (body) => {
  const server = await serverOfRun();
  try {
    await withDatabaseOn(server, body);
  } finally {
    if (own) await endOwnServer();
  }
};

/** Runs `body` with an empty database on the server of a migrated one. */
export const withEmptyDatabase: WithDatabase = (body) =>
  withDatabase(async (_, info) => {
    const admin = new Database({ ...info, ...TIMES, max: 1 });
    const name = `${info.database}_empty`;
    await admin.unlimited.unsafe(`CREATE DATABASE ${name}`);
    const empty = new Database({ ...info, ...TIMES, database: name });
    try {
      await body(empty, { ...info, database: name });
    } finally {
      await empty.close();
      await admin.unlimited.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.close();
    }
  });

/** Runs `body` with a server of another installation; its databases are created like those of the run. */
export async function withServer(binaries: string, body: (withDatabase: WithDatabase) => Promise<void>): Promise<void> {
  const { env, stop } = await startTestServer(binaries);
  const server = JSON.parse(env[ENV] ?? "") as DatabaseInfo;
  try {
    await body((work) => withDatabaseOn(server, work));
  } finally {
    await stop();
  }
}

/** How tests reach a database: directly, or through a pooler that loses prepared statements (CONTRIBUTING). */
function reaching(info: DatabaseInfo, body: (way: Way) => Promise<void>): Promise<void> {
  const poolSize = Number(process.env.TEST_POOLER ?? 0);
  if (poolSize === 0) return body(info);
  return withPgBouncer(info, { mode: "transaction", poolSize }, ({ connection }) =>
    body({ ...connection, pooled: { preparedStatements: false } }),
  );
}

type Way = ConnectionOptions & Pick<DatabaseOptions, "pooled">;

let created = 0;

async function withDatabaseOn(server: DatabaseInfo, body: Parameters<WithDatabase>[0]): Promise<void> {
  created += 1;
  const name = `test_${process.pid}_${created}`;
  const admin = new Database({ ...server, max: 1, ...TIMES });
  const info = { ...server, database: name };
  try {
    await admin.unlimited.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY FILE_COPY`);
    try {
      await reaching(info, async (way) => {
        const database = new Database({ ...way, max: 10, ...TIMES });
        try {
          await body(database, info);
        } finally {
          await database.close();
        }
      });
    } finally {
      await admin.unlimited.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  } finally {
    await admin.close();
  }
}

/** In a run by hand each database has a separate server: an open one would keep the process alive. */
async function endOwnServer(): Promise<void> {
  const server = await own;
  own = null;
  delete process.env[ENV];
  await server?.stop();
}
