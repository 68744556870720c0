/**
 * The prefix of placeholder users. An invitation to an address without a known user belongs to such a row of `users`: its
 * `monster_auth_user_id` is this prefix and a ULID, its `email` is canonical. It is no person's profile and never shown.
 */
export const PENDING_PREFIX = "pending:";

/** The form of an address under which invitations are stored and found. */
export function canonicalEmail(email: string): string {
  return email.toLowerCase();
}

/**
 * The text of the lock on this canonical address: `pg_advisory_xact_lock(hashtextextended(…, 0))`. Every transaction that
 * creates, merges or removes the address's placeholder holds it, so that there is one and no invitation is lost.
 */
export function invitationLock(email: string): string {
  return `invitation:${email}`;
}
