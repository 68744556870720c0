import type { Sql } from "postgres";
import { insertPopulation, type Population, populate, sha256 } from "./population.ts";
import { type RunningPostgres, startPostgres } from "./servers/postgres.ts";

/** One case's database: migrated and seeded with the population, without other users. */
export interface BenchDatabase {
  population: Population;
  /** The environment for a hub that serves this population. */
  hubEnvironment: Record<string, string>;
  /** The environment for a peer that queries it. */
  peerEnvironment: Record<string, string>;
  /** SQL statements that this database has executed since its server started, from all clients. */
  statements(): Promise<number>;
  presenceRows(): Promise<PresenceRow[]>;
  /** Runs `body` with a separate connection. */
  withSql<Result>(body: (sql: Sql) => Promise<Result>): Promise<Result>;
}

export interface PresenceRow {
  id: string;
  status: string;
  meta: Record<string, unknown> | null;
}

const TEMPLATE = "bench_template";
/** A hub without development mode requires an issuer; the bench's tokens are all of other kinds. */
const UNUSED_ISSUER = "http://127.0.0.1:9";

/** A separate Postgres server for the bench. It starts when the first case requests a database, and ends with `close`. */
export class BenchPostgres {
  readonly #population = populate();
  #starting: Promise<RunningPostgres> | null = null;
  #databases = 0;

  /** A fresh copy of the seeded template. */
  async database(): Promise<BenchDatabase> {
    this.#starting ??= this.#start();
    const server = await this.#starting;
    const name = `bench_${++this.#databases}`;
    await server.admin.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
    const environment = server.environmentOf(name);
    return {
      population: this.#population,
      hubEnvironment: { ...environment, ...this.#serviceTokens(), MONSTER_AUTH_ISSUER: UNUSED_ISSUER },
      peerEnvironment: environment,
      statements: () => statementsOf(server.admin, name),
      presenceRows: () => connected(server.connect(name), presenceRowsOf),
      withSql: (body) => connected(server.connect(name), body),
    };
  }

  async close(): Promise<void> {
    // If it did not start, there is nothing to stop, and the case that requested it has reported the reason.
    const server = await this.#starting?.catch(() => null);
    await server?.stop();
  }

  async #start(): Promise<RunningPostgres> {
    const server = await startPostgres();
    await server.migratedDatabase(TEMPLATE);
    await server.admin`CREATE EXTENSION pg_stat_statements`;
    const sql = server.connect(TEMPLATE);
    await insertPopulation(sql, this.#population);
    await sql`VACUUM ANALYZE`;
    // A database can be copied only while it has no connections.
    await sql.end();
    return server;
  }

  #serviceTokens(): Record<string, string> {
    const token = { name: "bench", sha256: sha256(this.#population.publisherToken), organizations: "*" };
    return { SERVICE_TOKENS: JSON.stringify([token]) };
  }
}

/** Counted by pg_stat_statements, read from another database so that the read does not count. */
async function statementsOf(admin: Sql, database: string): Promise<number> {
  const [row] = await admin<{ calls: number }[]>`
    SELECT coalesce(sum(calls), 0)::float8 AS calls
    FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
    WHERE datname = ${database}`;
  return row?.calls ?? 0;
}

function presenceRowsOf(sql: Sql): Promise<PresenceRow[]> {
  return sql<PresenceRow[]>`SELECT id, status, realtime_presence_meta AS meta FROM workstations`;
}

async function connected<Result>(sql: Sql, body: (sql: Sql) => Promise<Result>): Promise<Result> {
  try {
    return await body(sql);
  } finally {
    await sql.end();
  }
}
