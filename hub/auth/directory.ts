import { FactCache } from "./fact-cache.ts";
import type { FactSource, UserClaims } from "./facts.ts";

export interface DirectoryOptions {
  source: FactSource;
  cacheMs: number;
  /** How long what was found out serves while the database is away. */
  outageMs: number;
  monotonicNow?: () => number;
}

/** A workstation that has just been registered must get in. */
const ABSENT_MS = 1_000;

/**
 * Whose token it is: which workstation has this digest, which user this subject. Whoever connects at once is asked for in
 * one statement; while the database is away, whoever was known stays known. Digests and claims alone are kept, no tokens.
 */
export class Directory {
  readonly #workstations: FactCache<string>;
  readonly #users: FactCache<string>;

  constructor({ source, cacheMs, outageMs, monotonicNow }: DirectoryOptions) {
    const shared = { freshMs: cacheMs, outageMs, ...(monotonicNow && { monotonicNow }) };
    this.#workstations = new FactCache({
      ...shared,
      absentMs: Math.min(ABSENT_MS, cacheMs),
      load: (digests) => source.workstationsByToken(digests),
    });
    this.#users = new FactCache({ ...shared, load: (keys) => ensureUsers(source, keys) });
  }

  /** The id of the workstation with this token digest, or null. Rejects with `unavailable`. */
  async workstation(tokenDigest: string): Promise<string | null> {
    return this.#workstations.get(tokenDigest);
  }

  /** The id of the user with these claims, whose row is made where there is none. Rejects with `unavailable`. */
  async user(claims: UserClaims): Promise<string> {
    const id = await this.#users.get(keyOf(claims));
    if (id === null) throw new Error("a user was neither found nor made");
    return id;
  }
}

/** Other claims of the same subject are another key, so that a changed address or name reaches its row. */
function keyOf({ subject, email, emailVerified, name }: UserClaims): string {
  return JSON.stringify([subject, email, emailVerified, name]);
}

async function ensureUsers(source: FactSource, keys: readonly string[]): Promise<Map<string, string>> {
  const claims = new Map(keys.map((key) => [key, claimsOf(key)]));
  const ids = await source.ensureUsers([...claims.values()]);
  const found = [...claims].map(([key, { subject }]) => [key, ids.get(subject)] as const);
  return new Map(found.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

function claimsOf(key: string): UserClaims {
  const [subject, email, emailVerified, name] = JSON.parse(key) as [string, string | null, boolean, string | null];
  return { subject, email, emailVerified, name };
}
