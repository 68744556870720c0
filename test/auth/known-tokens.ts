import { createHash } from "node:crypto";
import { Directory } from "../../hub/auth/directory.ts";
import type { FactSource, FactsByKind, UserClaims } from "../../hub/auth/facts.ts";
import type { HubError } from "../../hub/kernel/errors.ts";

/** A source of the rows for token lookups. It counts its statements, and fails while `failure` is set. */
export class TokenRows implements FactSource {
  readonly workstations = new Map<string, string>();
  readonly users = new Map<string, UserClaims>();
  readonly statements: (readonly unknown[])[] = [];
  failure: HubError | null = null;

  async load<Kind extends keyof FactsByKind>(): Promise<Map<string, FactsByKind[Kind]>> {
    return new Map();
  }
  async workstationsByToken(digests: readonly string[]): Promise<Map<string, string>> {
    this.#answer(digests);
    return new Map([...this.workstations].filter(([digest]) => digests.includes(digest)));
  }
  async ensureUsers(claims: readonly UserClaims[]): Promise<Map<string, string>> {
    this.#answer(claims);
    for (const claim of claims) this.users.set(claim.subject, claim);
    return new Map(claims.map(({ subject }) => [subject, `user_of_${subject}`]));
  }
  async invitedAmong(): Promise<Set<string>> {
    return new Set();
  }
  async giveInvitations(): Promise<void> {}

  #answer(asked: readonly unknown[]): void {
    this.statements.push(asked);
    if (this.failure) throw this.failure;
  }
}

export const CACHE_MS = 5_000;
export const OUTAGE_MS = 900_000;

export function directoryOf(source: FactSource, clock = { now: 0 }): Directory {
  return new Directory({ source, cacheMs: CACHE_MS, outageMs: OUTAGE_MS, monotonicNow: () => clock.now });
}

export const digestOf = (token: string) => createHash("sha256").update(token).digest("hex");
