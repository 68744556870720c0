import { randomInt } from "node:crypto";
import type { Database } from "./database.ts";

/** A database's identity. Its keys and channels in a shared Redis carry it. */
export interface Identity {
  value: string;
  /** False if the role may not read Postgres' system identifier: then fewer properties distinguish a copy. */
  certain: boolean;
}

/** Properties that identify the server and database that answered. */
interface Place {
  /** Postgres' system identifier; null if the role may not read it. */
  system: string | null;
  /**
   * The oids of the database and of the identity's table: a copy by dump or by template has others. The table's oid
   * matters if the role can't read the system identifier: a dump restored on a similar server may have the same oid of
   * the database.
   */
  oids: string;
}

/** None of these characters has a meaning in a key, in an ACL pattern, or in a URL. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** 40 bits: among a hundred databases in one Redis, two collide in one of 200 million cases. Every key contains it. */
const LENGTH = 8;

function newValue(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

/**
 * Returns the identity of the connected database. A fresh database gets one, and so does a copy, whose stored place differs
 * from the answering server's. Concurrent callers agree on one value.
 */
export async function settleIdentity(database: Database): Promise<Identity> {
  const { system, oids } = await placeOf(database);
  const [row] = await database.query(
    (sql) => sql<{ value: string }[]>`
      INSERT INTO hub_identity AS kept (value, system_identifier, oids) VALUES (${newValue()}, ${system}, ${oids})
      ON CONFLICT (single) DO UPDATE SET
        value = CASE WHEN kept.oids <> excluded.oids OR kept.system_identifier <> excluded.system_identifier
          THEN excluded.value ELSE kept.value END,
        system_identifier = coalesce(excluded.system_identifier, kept.system_identifier),
        oids = excluded.oids
      RETURNING value`,
  );
  return { value: row?.value ?? "", certain: system !== null };
}

/** Draws another value regardless of the place: for a copy of a whole disk, which can't be distinguished from its original. */
export async function renewIdentity(database: Database): Promise<string> {
  await settleIdentity(database);
  const [row] = await database.query(
    (sql) => sql<{ value: string }[]>`UPDATE hub_identity SET value = ${newValue()} RETURNING value`,
  );
  return row?.value ?? "";
}

/** Whether the connected database still has this identity. */
export async function hasIdentity(database: Database, value: string): Promise<boolean> {
  const { system, oids } = await placeOf(database);
  const [row] = await database.query(
    (sql) => sql<{ same: boolean }[]>`
      SELECT value = ${value} AND oids = ${oids} AND coalesce(system_identifier = ${system}, true) AS same
      FROM hub_identity`,
  );
  return row?.same ?? false;
}

async function placeOf(database: Database): Promise<Place> {
  const [row] = await database.query(
    (sql) => sql<{ oids: string; readable: boolean }[]>`
      SELECT oid || '.' || 'hub_identity'::regclass::oid AS oids,
        coalesce(has_function_privilege(to_regprocedure('pg_control_system()')::oid, 'EXECUTE'), false) AS readable
      FROM pg_database WHERE datname = current_database()`,
  );
  return { oids: row?.oids ?? "", system: row?.readable ? await systemIdentifier(database) : null };
}

async function systemIdentifier(database: Database): Promise<string | null> {
  const [row] = await database.query(
    (sql) => sql<{ system: string }[]>`SELECT system_identifier::text AS system FROM pg_control_system()`,
  );
  return row?.system ?? null;
}
