import { canonicalEmail } from "../kernel/email-address.ts";
import { FactCache } from "./fact-cache.ts";
import type { FactSource, UserClaims } from "./facts.ts";

export interface DirectoryOptions {
  source: FactSource;
  cacheMs: number;
  /** How long cached results serve while the database is unavailable. */
  outageMs: number;
  monotonicNow?: () => number;
}

/** The user that a person's claims resolved to. */
interface SeenUser {
  id: string;
  /** The user's address has an invitation that is not linked to the user yet. */
  invited: boolean;
}

/** Short, because a workstation that has just been registered must be able to connect. */
const ABSENT_MS = 1_000;

/**
 * Resolves token digests to workstations and subjects to users. Concurrent lookups share one statement. While the
 * database is unavailable, cached results stay valid. The cache holds digests and claims, never tokens. A user's
 * pending invitations are linked to the user before `user` resolves; other users don't wait for that.
 */
export class Directory {
  readonly #workstations: FactCache<string>;
  readonly #users: FactCache<SeenUser>;
  readonly #source: FactSource;
  /** The linking of invitations, by the cached result that reported them: once for each result. */
  readonly #given = new WeakMap<SeenUser, Promise<void>>();

  constructor({ source, cacheMs, outageMs, monotonicNow }: DirectoryOptions) {
    this.#source = source;
    const shared = { freshMs: cacheMs, outageMs, ...(monotonicNow && { monotonicNow }) };
    this.#workstations = new FactCache({
      ...shared,
      absentMs: Math.min(ABSENT_MS, cacheMs),
      load: (digests) => source.workstationsByToken(digests),
    });
    this.#users = new FactCache({ ...shared, load: (keys) => seenUsers(source, keys) });
  }

  /** The id of the workstation with this token digest, or null. Rejects with `unavailable`. */
  async workstation(tokenDigest: string): Promise<string | null> {
    return this.#workstations.get(tokenDigest);
  }

  /** The id of the user with these claims. Inserts the row if there is none. Rejects with `unavailable`. */
  async user(claims: UserClaims): Promise<string> {
    const seen = await this.#users.get(keyOf(claims));
    if (seen === null) throw new Error("The row of a user was neither found nor inserted.");
    if (seen.invited) await this.#giveInvitations(seen, claims);
    return seen.id;
  }

  #giveInvitations(seen: SeenUser, claims: UserClaims): Promise<void> {
    const known = this.#given.get(seen);
    if (known) return known;
    const given = this.#source.giveInvitations(claims);
    this.#given.set(seen, given);
    // The next login retries it.
    given.catch(() => this.#given.delete(seen));
    return given;
  }
}

/** Changed claims of a subject are a different key, so that a new address or name is written to the user's row. */
function keyOf({ subject, email, emailVerified, name }: UserClaims): string {
  return JSON.stringify([subject, email, emailVerified, name]);
}

async function seenUsers(source: FactSource, keys: readonly string[]): Promise<Map<string, SeenUser>> {
  const claims = new Map(keys.map((key) => [key, claimsOf(key)]));
  const ids = await source.ensureUsers([...claims.values()]);
  const addresses = [...claims.values()].flatMap((claim) => verifiedAddress(claim) ?? []);
  const invited = addresses.length > 0 ? await source.invitedAmong(addresses) : new Set<string>();
  const seen = [...claims].flatMap(([key, claim]): [string, SeenUser][] => {
    const id = ids.get(claim.subject);
    return id === undefined ? [] : [[key, { id, invited: invited.has(verifiedAddress(claim) ?? "") }]];
  });
  return new Map(seen);
}

/** The canonical address that the issuer of these claims has verified, or null. */
export function verifiedAddress({ email, emailVerified }: Pick<UserClaims, "email" | "emailVerified">): string | null {
  return emailVerified && email !== null ? canonicalEmail(email) : null;
}

function claimsOf(key: string): UserClaims {
  const [subject, email, emailVerified, name] = JSON.parse(key) as [string, string | null, boolean, string | null];
  return { subject, email, emailVerified, name };
}
