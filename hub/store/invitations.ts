import type { UserClaims } from "../auth/facts.ts";
import { canonicalEmail, invitationLock, PENDING_PREFIX } from "../email-address.ts";
import type { Database } from "./postgres.ts";

/** The audit trail's name for what the hub does of itself. */
const HUB = "service:hub";

/** Invitations to addresses whose owners had not been seen (`organizations.invite`). */
export class Invitations {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Gives what these verified addresses were invited to, to the people whose they are: memberships move, still as
   * invitations, and the row that held their place goes. Where somebody is a member already, that stays as it is. Where
   * somebody was invited by another address too, that invitation stays where it is until he is a member: its going would
   * tell whose the address is.
   */
  async merge(claims: readonly UserClaims[]): Promise<void> {
    const subjects = new Map(claims.map(({ email, subject }) => [canonicalEmail(email ?? ""), subject]));
    const pending = await this.#pendingAmong([...subjects.keys()]);
    // One after the other, in one order everywhere, so that two hubs never wait for each other.
    for (const email of pending.sort()) await this.#mergeOne(email, subjects.get(email) ?? "");
  }

  /** Those of these addresses that somebody was invited by: normally none, so that nothing is locked. */
  async #pendingAmong(emails: string[]): Promise<string[]> {
    const rows = await this.#database.query(
      (sql) => sql<{ email: string }[]>`
        SELECT DISTINCT email FROM users
        WHERE email = ANY(${emails}) AND starts_with(monster_auth_user_id, ${PENDING_PREFIX})`,
    );
    return rows.map(({ email }) => email);
  }

  async #mergeOne(email: string, subject: string): Promise<void> {
    await this.#database.transaction(HUB, async (sql) => {
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
    });
  }
}
