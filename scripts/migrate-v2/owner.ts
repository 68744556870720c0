import { ulid } from "ulid";
import { canonicalEmail, invitationLock, PENDING_PREFIX } from "../../hub/kernel/email-address.ts";
import type { Database } from "../../hub/store/database.ts";
import { MigrationError } from "./source.ts";

const MIGRATOR = "service:migrate-v2";

/**
 * The user who becomes the owner of the migrated rows: by id, or by an address, which is reserved for the user who signs in
 * with it after its verification. Throws `MigrationError`.
 */
export async function resolveOwner(database: Database, owner: string): Promise<string> {
  if (owner.includes("@")) return placeFor(database, canonicalEmail(owner));
  const [found] = await database.query((sql) => sql<{ id: string }[]>`SELECT id FROM users WHERE id = ${owner}`);
  if (found) return found.id;
  throw new MigrationError(
    `User ${owner} not found.`,
    "Give --owner the id of a user (user_…) who has signed in, or the e-mail address of a person who will sign in.",
  );
}

async function placeFor(database: Database, email: string): Promise<string> {
  return database.transaction(MIGRATOR, async (sql) => {
    await sql`SELECT pg_advisory_xact_lock(hashtextextended(${invitationLock(email)}, 0))`;
    const [held] = await sql<{ id: string }[]>`
      SELECT id FROM users WHERE email = ${email} AND starts_with(monster_auth_user_id, ${PENDING_PREFIX})`;
    if (held) return held.id;
    const id = `user_${ulid()}`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${PENDING_PREFIX + ulid()}, ${email})`;
    return id;
  });
}
