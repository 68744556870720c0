import type { TransactionSql } from "postgres";
import type { UserClaims } from "../auth/facts.ts";
import { canonicalEmail, invitationLock, PENDING_PREFIX } from "../email-address.ts";
import { HubError } from "../errors.ts";
import { Turns } from "../kernel/turns.ts";
import type { Logger } from "../log.ts";
import { type Database, isDatabaseFault } from "./postgres.ts";

/** The audit trail's name for what the hub does of itself. */
const HUB = "service:hub";
/** Whoever makes or withdraws an invitation holds its rows for a few milliseconds. */
const LOCK_MS = 250;
/** However many people come at once, or wait for locks, connections are left for everybody else. */
const AT_ONCE = 4;
const RETRY_MS = 1_000;

/** Invitations to addresses whose owners had not been seen (`organizations.invite`). */
export class Invitations {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #turns = new Turns(AT_ONCE);

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  /** Those of these canonical addresses that somebody was invited by: normally none, so that nothing is locked. */
  async among(emails: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.query(
      (sql) => sql<{ email: string }[]>`
        SELECT DISTINCT email FROM users
        WHERE email = ANY(${[...emails]}) AND starts_with(monster_auth_user_id, ${PENDING_PREFIX})`,
    );
    return new Set(rows.map(({ email }) => email));
  }

  /**
   * Gives what this verified address was invited to, to the person whose it is: memberships move, still as invitations, and
   * the row that held their place goes. Where somebody is a member already, that stays as it is. Where somebody was
   * invited by another address too, that invitation stays where it is until he is a member: its going would tell whose the
   * address is. Throws `unavailable` where it can't be done now; nothing was changed then.
   */
  async give({ email, subject }: UserClaims): Promise<void> {
    const address = canonicalEmail(email ?? "");
    try {
      await this.#turns.run(() => this.#database.transaction(HUB, (sql) => merge(sql, address, subject)));
    } catch (error) {
      if (!isDatabaseFault(error) && !isTimeout(error)) throw error;
      this.#log.warn({ err: error }, "invitations could not be given to their person; tried again at the next login");
      const message = "What you were invited to can't be given to you at the moment. Try again shortly.";
      throw new HubError("unavailable", message, { retryAfterMs: RETRY_MS, cause: error });
    }
  }
}

async function merge(sql: TransactionSql, email: string, subject: string): Promise<void> {
  await sql`SELECT set_config('lock_timeout', ${String(LOCK_MS)}, true)`;
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${invitationLock(email)}, 0))`;
  const places = await sql<{ id: string }[]>`
    SELECT id FROM users
    WHERE email = ${email} AND starts_with(monster_auth_user_id, ${PENDING_PREFIX}) FOR UPDATE`;
  for (const { id } of places) {
    await sql`
      UPDATE organization_memberships invited SET user_id = person.id
      FROM users person
      WHERE person.monster_auth_user_id = ${subject} AND invited.user_id = ${id} AND NOT EXISTS (
        SELECT FROM organization_memberships known
        WHERE known.organization_id = invited.organization_id AND known.user_id = person.id)`;
    await sql`
      DELETE FROM organization_memberships invited USING organization_memberships known, users person
      WHERE person.monster_auth_user_id = ${subject} AND invited.user_id = ${id} AND known.user_id = person.id
        AND known.organization_id = invited.organization_id AND known.status <> 'invited'`;
    await sql`
      DELETE FROM users WHERE id = ${id}
        AND NOT EXISTS (SELECT FROM organization_memberships WHERE user_id = ${id})`;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof HubError && error.code === "timeout";
}
