import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { type EmbeddedOptions, type EmbeddedPostgres, startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { EmbeddedPostgresError } from "../../hub/store/embedded-binaries.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the embedded Postgres");
const LIMIT_MS = 30_000;
const MODULE = join(import.meta.dirname, "..", "..", "hub", "store", "embedded.ts");

async function withFolder(body: (folder: string) => Promise<void>, parent = tmpdir()): Promise<void> {
  const folder = mkdtempSync(join(parent, "embedded-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withServer(options: EmbeddedOptions, body: (server: EmbeddedPostgres) => Promise<void>): Promise<void> {
  const server = await startEmbeddedPostgres({ fsync: false, ...options });
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

async function ask<Value>(server: EmbeddedPostgres, expression: string): Promise<Value> {
  const database = new Database({ ...server.connection, max: 1, statementTimeoutMs: 2_000, connectTimeoutMs: 2_000 });
  try {
    const [row] = await database.query((sql) => sql.unsafe<{ value: Value }[]>(`SELECT ${expression} AS value`));
    return row?.value as Value;
  } finally {
    await database.close();
  }
}

async function refusalOf(start: Promise<EmbeddedPostgres>): Promise<string> {
  try {
    await (await start).stop();
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) return error.message;
    throw error;
  }
  throw new Error("it was not rejected");
}

/** Another process that starts Postgres on `dataDir`, and prints the server's process id. */
async function startElsewhere(dataDir: string): Promise<{ postgres: number; kill(): Promise<void> }> {
  const program = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(MODULE)});
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, fsync: false });
    console.log(server.pid);
    setInterval(() => undefined, 1000);`;
  const args = ["--import", "tsx", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const kill = async () => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  return { postgres: Number(String(line)), kill };
}

/** False also for an ended process that has not been reaped yet: the system may be slow to reap orphans. */
function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    // ENOENT: the process does not exist.
    return false;
  }
}

test(
  "keeps its data over a stop, is reachable only through a private socket, and leaves nothing running",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      let pid = 0;
      await withServer({ dataDir }, async (server) => {
        pid = server.pid;
        is(await ask(server, "current_setting('listen_addresses')"), "");
        is(await ask(server, "current_setting('unix_socket_permissions')"), "0700");
        await ask(server, "lo_create(4711)");
      });
      is(isAlive(pid), false);
      await withServer({ dataDir }, async (server) => {
        is(await ask<string>(server, "(SELECT count(*) FROM pg_largeobject_metadata WHERE oid = 4711)"), "1");
      });
      equal(readdirSync(folder).sort(), ["pg", "pg-socket"], "nothing else is left beside it");
    }),
  LIMIT_MS,
);

test(
  "a second start on the same data is rejected while the first one runs",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      await withServer({ dataDir }, async (server) => {
        match(
          await refusalOf(startEmbeddedPostgres({ dataDir })),
          `Another hub (process ${process.pid}) uses ${dataDir}`,
        );
        is(await ask(server, "1"), 1);
      });
    }),
  LIMIT_MS,
);

test(
  "of several concurrent starts on an empty folder, one succeeds",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      const starts = await Promise.allSettled([1, 2, 3].map(() => startEmbeddedPostgres({ dataDir, fsync: false })));
      const servers = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
      for (const server of servers) await server.stop();
      is(servers.length, 1);
    }),
  LIMIT_MS,
);

test(
  "a server that a killed hub left running is ended, and its data is served",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      const other = await startElsewhere(dataDir);
      match(await refusalOf(startEmbeddedPostgres({ dataDir })), "Another hub");
      await other.kill();
      ok(isAlive(other.postgres), "it outlives its hub");
      await withServer({ dataDir }, async (server) => {
        is(isAlive(other.postgres), false);
        is(await ask(server, "1"), 1);
      });
    }),
  LIMIT_MS,
);

test(
  "a process with the number of a former server is left alone",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      await withServer({ dataDir }, async () => undefined);
      const innocent = spawn("sleep", ["60"]);
      writeFileSync(join(dataDir, "postmaster.pid"), `${innocent.pid}\n${dataDir}\n`);
      writeFileSync(`${dataDir}.owner`, `${innocent.pid} 1`);
      try {
        await withServer({ dataDir }, async (server) => {
          is(await ask(server, "1"), 1);
          ok(isAlive(innocent.pid ?? 0));
        });
      } finally {
        innocent.kill();
      }
    }),
  LIMIT_MS,
);

test(
  "after its hub and it were both killed, locks with the number of another process are removed",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      const other = await startElsewhere(dataDir);
      await other.kill();
      process.kill(other.postgres, "SIGKILL");
      await until("it has ended", () => !isAlive(other.postgres));
      const innocent = spawn("sleep", ["60"]);
      for (const lock of [join(dataDir, "postmaster.pid"), join(`${dataDir}-socket`, ".s.PGSQL.5432.lock")]) {
        writeFileSync(lock, readFileSync(lock, "utf8").replace(/^\d+/, String(innocent.pid)));
      }
      try {
        await withServer({ dataDir }, async (server) => {
          is(await ask(server, "1"), 1);
          ok(isAlive(innocent.pid ?? 0));
        });
      } finally {
        innocent.kill();
      }
    }),
  LIMIT_MS,
);

test(
  "a server that dies is started again, and is stopped for good",
  () =>
    withFolder(async (folder) => {
      await withServer({ dataDir: join(folder, "pg") }, async (server) => {
        const first = server.pid;
        process.kill(first, "SIGKILL");
        await until(
          "it serves again",
          async () => server.pid !== first && (await ask<number>(server, "1")) === 1,
          20_000,
        );
        process.kill(server.pid, "SIGKILL");
      });
    }),
  60_000,
);

test(
  "a path too long for a socket gets its socket elsewhere",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "x".repeat(90), "pg");
      await withServer({ dataDir }, async (server) => {
        ok(server.connection.socketDir.startsWith(tmpdir()));
        is(await ask(server, "1"), 1);
        rmSync(server.connection.socketDir, { recursive: true, force: true });
      });
    }),
  LIMIT_MS,
);

test(
  "data that a crash left half-made is replaced",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      mkdirSync(`${dataDir}.new`);
      writeFileSync(join(`${dataDir}.new`, "PG_VERSION"), "18\n");
      await withServer({ dataDir }, async (server) => is(await ask(server, "1"), 1));
    }),
  LIMIT_MS,
);

test(
  "a folder with other contents is rejected with the remedy, and not changed",
  () =>
    withFolder(async (folder) => {
      const dataDir = join(folder, "pg");
      mkdirSync(dataDir);
      writeFileSync(join(dataDir, "thesis.txt"), "mine");
      const message = await refusalOf(startEmbeddedPostgres({ dataDir, fsync: false }));
      match(message, dataDir);
      match(message, "DATABASE_URL");
      is(readFileSync(join(dataDir, "thesis.txt"), "utf8"), "mine");
      is(existsSync(`${dataDir}.owner`), false);
    }),
  LIMIT_MS,
);

if (process.getuid?.() === 0) {
  test(
    "root's private folder works: no other user may enter it, and Postgres doesn't run as root",
    () =>
      withFolder(async (folder) => {
        chmodSync(folder, 0o700);
        await withServer({ dataDir: join(folder, "pg") }, async (server) => {
          is(await ask(server, "1"), 1);
          is(await ask(server, "current_setting('data_directory')"), join(folder, "pg"));
        });
      }, homedir()),
    LIMIT_MS,
  );
}

test.run();
