import { canonicalEmail } from "../email-address.ts";
import { FactCache } from "./fact-cache.ts";
import type { FactSource, UserClaims } from "./facts.ts";

export interface DirectoryOptions {
  source: FactSource;
  cacheMs: number;
  /** How long what was found out serves while the database is away. */
  outageMs: number;
  monotonicNow?: () => number;
}

/** What was found out of a person's claims. */
interface SeenUser {
  id: string;
  /** His address was invited to something that he was not given yet. */
  invited: boolean;
}

/** A workstation that has just been registered must get in. */
const ABSENT_MS = 1_000;

/**
 * Whose token it is: which workstation has this digest, which user this subject. Whoever connects at once is asked for in
 * one statement; while the database is away, whoever was known stays known. Digests and claims alone are kept, no tokens.
 * Who was invited to something is given it before he gets in, and holds up nobody else.
 */
export class Directory {
  readonly #workstations: FactCache<string>;
  readonly #users: FactCache<SeenUser>;
  readonly #source: FactSource;
  /** Invitations that were given or are about to be, by the reading that told of them: not twice for one reading. */
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

  /** The id of the user with these claims, whose row is made where there is none. Rejects with `unavailable`. */
  async user(claims: UserClaims): Promise<string> {
    const seen = await this.#users.get(keyOf(claims));
    if (seen === null) throw new Error("a user was neither found nor made");
    if (seen.invited) await this.#giveInvitations(seen, claims);
    return seen.id;
  }

  #giveInvitations(seen: SeenUser, claims: UserClaims): Promise<void> {
    const known = this.#given.get(seen);
    if (known) return known;
    const given = this.#source.giveInvitations(claims);
    this.#given.set(seen, given);
    // Tried again at the next login.
    given.catch(() => this.#given.delete(seen));
    return given;
  }
}

/** Other claims of the same subject are another key, so that a changed address or name reaches its row. */
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

/** The canonical address that the issuer of these claims vouches for, or null. */
export function verifiedAddress({ email, emailVerified }: Pick<UserClaims, "email" | "emailVerified">): string | null {
  return emailVerified && email !== null ? canonicalEmail(email) : null;
}

function claimsOf(key: string): UserClaims {
  const [subject, email, emailVerified, name] = JSON.parse(key) as [string, string | null, boolean, string | null];
  return { subject, email, emailVerified, name };
}
