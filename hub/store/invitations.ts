import type { TransactionSql } from "postgres";
import type { UserClaims } from "../auth/facts.ts";
import { canonicalEmail, invitationLock, PENDING_PREFIX } from "../kernel/email-address.ts";
import { HubError } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import { Semaphore } from "../kernel/semaphore.ts";
import { type Database, isDatabaseFault } from "./database.ts";

/** The hub's own principal in the audit trail. */
const HUB = "service:hub";
/** The wait for rows that an invite or withdrawal locks for a few milliseconds. */
const LOCK_MS = 250;
/** The limit of concurrent merges, so that many sign-ins leave connections for other work. */
const AT_ONCE = 4;
const RETRY_MS = 1_000;

/** Invitations to addresses without a known user (`organizations.invite`). */
export class Invitations {
  readonly #database: Database;
  readonly #log: Logger;
  readonly #turns = new Semaphore(AT_ONCE);

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  /** The canonical addresses among these that have an invitation: normally none, so that no lock is needed. */
  async among(emails: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.query(
      (sql) => sql<{ email: string }[]>`
        SELECT DISTINCT email FROM users
        WHERE email = ANY(${[...emails]}) AND starts_with(monster_auth_user_id, ${PENDING_PREFIX})`,
    );
    return new Set(rows.map(({ email }) => email));
  }

  /**
   * Gives the invitations of this verified address to its owner: memberships move, still as invitations, and the
   * placeholder row is removed. An existing membership stays unchanged. If the owner was also invited by another address,
   * that invitation stays until he is a member: its removal would reveal that the address is his. Throws `unavailable` if
   * it is not possible now; nothing is changed then.
   */
  async give({ email, subject }: UserClaims): Promise<void> {
    const address = canonicalEmail(email ?? "");
    try {
      await this.#turns.run(() => this.#database.transaction(HUB, (sql) => merge(sql, address, subject)));
    } catch (error) {
      if (!isDatabaseFault(error) && !isTimeout(error)) throw error;
      this.#log.warn({ err: error }, "invitations could not be given to their owner; tried again at the next login");
      const message = "Your invitations can't be assigned to you at the moment. Try again shortly.";
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
