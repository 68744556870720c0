import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { equal, is, match, not } from "uvu/assert";
import { askStopped, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";

const test = suite("wrong configuration");

/** The output of a hub that must refuse to start, after it exited with 1 and left no database running. */
async function refusal(dataDir: string, env: Record<string, string>): Promise<string> {
  const hub = HubProcess.spawn(dataDir, env);
  try {
    is(await hub.exited, 1, hub.output);
    equal(postgresOf(dataDir), [], "no database is left running");
    not.match(hub.output, /\n\s+at /, "no stack trace");
    return hub.output;
  } finally {
    await hub.stop();
  }
}

test("every wrong variable is named with its fault and the remedy, and nothing was started", () =>
  withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const output = await refusal(dataDir, {
      PORT: "http",
      PRESENCE_GRACE_MS: "-1",
      PING_TIMEOUT_MS: "9000",
      PING_INTERVAL_MS: "8000",
      LOG_LEVEL: "loud",
      ALLOWED_ORIGINS: "*",
    });
    for (const name of ["PORT", "PRESENCE_GRACE_MS", "PING_TIMEOUT_MS", "LOG_LEVEL", "ALLOWED_ORIGINS"]) {
      match(output, name);
    }
    match(output, "Set PING_TIMEOUT_MS to at most PING_INTERVAL_MS");
    is(existsSync(dataDir), false);
  }));

test("a database password is never part of the output", () =>
  withFolder(async (folder) => {
    const output = await refusal(folder, { DATABASE_URL: "mysql://hub:sekrit@localhost/hub" });
    match(output, "DATABASE_URL");
    match(output, "postgres://user:password@host:5432/database");
    not.match(output, "sekrit");
  }));

test("an unreachable database is reported with DATABASE_URL and the remedy", () =>
  withFolder(async (folder) => {
    const output = await refusal(folder, { DATABASE_URL: "postgres://hub:sekrit@127.0.0.1:1/hub" });
    match(output, "DATABASE_URL");
    not.match(output, "sekrit");
  }));

const PRODUCTION = { NODE_ENV: "production", MONSTER_AUTH_ISSUER: "http://127.0.0.1:1" };

test("production without a database is refused with the remedy, and nothing was started", () =>
  withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const output = await refusal(dataDir, PRODUCTION);
    match(output, "DATABASE_URL: is not set, and NODE_ENV is production");
    match(output, "or DATABASE_URL=embedded to use the embedded database");
    is(existsSync(dataDir), false);
  }));

test("production serves on the embedded database if configured, and the log has its folder and the way to back it up", () =>
  withFolder(async (folder) => {
    const hub = await HubProcess.start(folder, { ...PRODUCTION, DATABASE_URL: "embedded" });
    await hub.stop();
    match(hub.output, `beta build, in ${join(folder, "postgres")}`);
    match(hub.output, `A backup is a copy of ${folder}`);
  }));

test("development does not log it", () =>
  withFolder(async (folder) => {
    const hub = await HubProcess.start(folder, { DATABASE_URL: "embedded" });
    await hub.stop();
    not.match(hub.output, "backup");
  }));

test("the Procfile's commands run in production, unless the environment overrides it", () => {
  const lines = readFileSync(join(import.meta.dirname, "..", "..", "Procfile"), "utf8")
    .trim()
    .split("\n");
  for (const line of lines) {
    const [, mode = ""] = /^\w+: (NODE_ENV=\S+) /.exec(line) ?? [];
    const shown = (NODE_ENV?: string) =>
      execFileSync("sh", ["-c", `${mode} printenv NODE_ENV`], { env: { PATH: process.env.PATH, NODE_ENV } }).toString();
    equal([shown(), shown("staging")], ["production\n", "staging\n"], line);
  }
});

test("an unreachable Redis is reported with REDIS_URL and the remedy, without its password", () =>
  withFolder(async (folder) => {
    const output = await refusal(folder, { REDIS_URL: "redis://hub:sekrit@127.0.0.1:1" });
    match(output, "REDIS_URL");
    not.match(output, "sekrit");
  }));

test("a taken port is reported with the remedy, and the database that was started is stopped", () =>
  withFolder(async (folder) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const { port } = taken.address() as AddressInfo;
    try {
      const output = await refusal(folder, { PORT: String(port) });
      match(output, `${port} is in use`);
      match(output, "Set PORT");
    } finally {
      taken.close();
    }
  }));

test("a DATA_DIR that can't be created is reported with its name", () =>
  withFolder(async (folder) => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const output = await refusal(join(file, "data"), {});
    match(output, "DATA_DIR");
    match(output, file);
  }));

test("a database of a newer hub is reported with the remedy, and stopped again", () =>
  withFolder(async (folder) => {
    const hub = await HubProcess.start(folder);
    await hub.stop();
    await askStopped(folder, (database) =>
      database.query(
        (sql) => sql`INSERT INTO schema_migrations (name, checksum) VALUES ('9999-of-the-future', ${"0".repeat(64)})`,
      ),
    );
    const output = await refusal(folder, {});
    match(output, "newer than this hub");
    match(output, "Deploy the newer hub");
  }));

test("a second hub on one DATA_DIR is refused, and the first continues", () =>
  withFolder(async (folder) => {
    const first = await HubProcess.start(folder);
    try {
      const second = HubProcess.spawn(folder);
      is(await second.exited, 1);
      match(second.output, `Another hub (process ${first.pid}) uses`);
      match(second.output, "set another DATA_DIR");
      const { url } = await first.development();
      is((await fetch(`${url}/readyz`)).status, 200);
    } finally {
      await first.stop();
    }
  }));

test.run();
