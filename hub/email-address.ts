/**
 * An invitation waits for the person with an address, whom nobody may be told of: a row of `users` holds the place, whose
 * `monster_auth_user_id` is this and a ULID, and whose `email` is canonical. It is nobody's profile.
 */
export const PENDING_PREFIX = "pending:";

/** An address as invitations are kept and looked up by. */
export function canonicalEmail(email: string): string {
  return email.toLowerCase();
}

/**
 * The text whose `pg_advisory_xact_lock(hashtextextended(…, 0))` whoever makes, merges or removes the pending row of this
 * canonical address holds, so that there is one and no invitation is lost with it.
 */
export function invitationLock(email: string): string {
  return `invitation:${email}`;
}
