import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { Database } from "../../hub/store/postgres.ts";

/** How to reach one test database. */
export interface DatabaseInfo {
  socketDir: string;
  user: string;
  database: string;
}

/** The migrated database that every test copies. */
export const TEMPLATE = "hub_template";
const ENV = "TEST_POSTGRES";
const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 };

/** A server for one run of the tests, which loses its data when the machine crashes, with a migrated template. */
export async function startTestServer(
  binaries?: string,
): Promise<{ env: Record<string, string>; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "hub-test-"));
  const parts = { dataDir: join(folder, "pg"), fsync: false, maxConnections: 200 };
  const server = await startEmbeddedPostgres(binaries ? { ...parts, binaries } : parts);
  await prepareTemplate(server);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { env: { [ENV]: JSON.stringify(server.connection) }, stop };
}

async function prepareTemplate({ connection }: EmbeddedPostgres): Promise<void> {
  const admin = new Database({ ...connection, max: 1, ...TIMES });
  await admin.unlimited.unsafe(`CREATE DATABASE ${TEMPLATE}`);
  await admin.close();
  const template = new Database({ ...connection, database: TEMPLATE, max: 2, ...TIMES });
  await migrate(template.unlimited);
  await template.close();
}

let own: ReturnType<typeof startTestServer> | null = null;

/** The server of the run; a file run by hand starts one of its own, which ends with the process's tests. */
async function serverOfRun(): Promise<DatabaseInfo> {
  if (!process.env[ENV]) {
    own ??= startTestServer();
    Object.assign(process.env, (await own).env);
  }
  return JSON.parse(process.env[ENV] ?? "") as DatabaseInfo;
}

/** What a test does with a database of its own. */
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

/** Runs `body` with a server of another installation's programs, whose databases are made as those of the run are. */
export async function withServer(binaries: string, body: (withDatabase: WithDatabase) => Promise<void>): Promise<void> {
  const { env, stop } = await startTestServer(binaries);
  const server = JSON.parse(env[ENV] ?? "") as DatabaseInfo;
  try {
    await body((work) => withDatabaseOn(server, work));
  } finally {
    await stop();
  }
}

let created = 0;

async function withDatabaseOn(server: DatabaseInfo, body: Parameters<WithDatabase>[0]): Promise<void> {
  created += 1;
  const name = `test_${process.pid}_${created}`;
  const admin = new Database({ ...server, max: 1, ...TIMES });
  const info = { ...server, database: name };
  try {
    await admin.unlimited.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE} STRATEGY FILE_COPY`);
    const database = new Database({ ...info, max: 10, ...TIMES });
    try {
      await body(database, info);
    } finally {
      await database.close();
      await admin.unlimited.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  } finally {
    await admin.close();
  }
}

/** By hand, each database has the server to itself: what is left open would keep the process alive. */
async function endOwnServer(): Promise<void> {
  const server = await own;
  own = null;
  delete process.env[ENV];
  await server?.stop();
}
