import { Database } from "../../hub/store/database.ts";

const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 };

/** Runs `body` with a copy of a database, as `createdb -T` creates it, and drops it. Users of the original are disconnected briefly. */
export async function withCopy(original: Database, body: (copy: Database) => Promise<void>): Promise<void> {
  const { database = "", ...server } = original.connection;
  const name = `${database}_copy`;
  const admin = new Database({ ...server, database: "postgres", max: 1, ...TIMES });
  const { unlimited: sql } = admin;
  try {
    // A template must have no connection.
    await sql.unsafe(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`);
    await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ${database}`;
    await sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${database} STRATEGY FILE_COPY`);
    await sql.unsafe(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`);
    const copy = new Database({ ...server, database: name, max: 10, ...TIMES });
    try {
      await body(copy);
    } finally {
      await copy.close();
      await sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  } finally {
    await admin.close();
  }
}
