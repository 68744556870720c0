import { createHash } from "node:crypto";
import { HubError } from "../kernel/errors.ts";
import { ClaimsError, listOf, MAX_LIFETIME_MS, userOf } from "./claims.ts";
import type { UserClaims } from "./facts.ts";

export interface IntrospectionOptions {
  /** Monster Auth's endpoint (RFC 7662). A user and password in it are sent as Basic credentials. */
  url: string;
  /** A response with a different issuer is treated as "inactive". */
  issuer: string;
  /** How long a response is cached, and so the longest time for which a revoked token still opens new connections. */
  cacheMs: number;
  timeoutMs?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** The claims of an active personal access token. */
export interface IntrospectedToken {
  user: UserClaims;
  /** The clients that the token is for. Empty: the token has all rights of its owner. */
  audiences: readonly string[];
  /** Milliseconds since 1970. */
  expiresAt: number;
}

interface CachedAnswer {
  answer: Promise<IntrospectedToken | null>;
  until: number;
}

const DEFAULT_TIMEOUT_MS = 3_000;
/** An active token is checked again after this time, also on an open connection, because it may have been revoked. */
const GOOD_FOR_MS = 300_000;
/** Above this number the oldest responses are evicted. */
const MAX_CACHED = 20_000;
/** Bounds concurrent requests, so that made-up tokens can't make the hub flood its issuer. */
const MAX_UNDER_WAY = 50;
const PERSONAL_TOKEN = /^pat_[A-Za-z0-9_-]{8,512}$/;

/**
 * Checks personal access tokens with their issuer. Responses are cached by the token's digest; tokens are not stored.
 */
export class Introspection {
  readonly #options: IntrospectionOptions;
  readonly #endpoint: URL;
  readonly #headers: Record<string, string>;
  readonly #cache = new Map<string, CachedAnswer>();
  #underWay = 0;

  constructor(options: IntrospectionOptions) {
    this.#options = options;
    this.#endpoint = new URL(options.url);
    const { username, password } = this.#endpoint;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#headers = {
      accept: "application/json",
      ...(username && { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` }),
    };
    this.#endpoint.username = "";
    this.#endpoint.password = "";
  }

  /** The token's claims, or null if it is not active. Rejects with `unavailable` if the issuer can't be asked now. */
  async check(token: string): Promise<IntrospectedToken | null> {
    if (!PERSONAL_TOKEN.test(token)) return null;
    const digest = createHash("sha256").update(token).digest("base64url");
    const known = this.#cache.get(digest);
    if (known && known.until > this.#now()) return known.answer;
    if (this.#underWay >= MAX_UNDER_WAY) throw unavailable("too many tokens are being checked");
    const answer = this.#ask(token);
    this.#remember(digest, answer);
    // A failure is not cached: the next call asks the issuer again.
    answer.catch(() => this.#forget(digest, answer));
    return answer;
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  #remember(digest: string, answer: Promise<IntrospectedToken | null>): void {
    // Deleted before it is set, so that the first entry is always the oldest.
    this.#cache.delete(digest);
    this.#cache.set(digest, { answer, until: this.#now() + this.#options.cacheMs });
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED) break;
      this.#cache.delete(oldest);
    }
  }

  #forget(digest: string, answer: Promise<IntrospectedToken | null>): void {
    if (this.#cache.get(digest)?.answer === answer) this.#cache.delete(digest);
  }

  async #ask(token: string): Promise<IntrospectedToken | null> {
    this.#underWay += 1;
    try {
      return this.#accepted(await this.#fetch(token));
    } finally {
      this.#underWay -= 1;
    }
  }

  async #fetch(token: string): Promise<ReadonlyMap<string, unknown>> {
    try {
      const response = await fetch(this.#endpoint, {
        method: "POST",
        headers: this.#headers,
        body: new URLSearchParams({ token, token_type_hint: "access_token" }),
        redirect: "error",
        signal: AbortSignal.timeout(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`the introspection endpoint answered ${response.status}`);
      const body: unknown = await response.json();
      return new Map(Object.entries(typeof body === "object" && body !== null ? body : {}));
    } catch (error) {
      throw unavailable("its issuer does not answer", error);
    }
  }

  /** Treats any ambiguous response as "inactive". */
  #accepted(answer: ReadonlyMap<string, unknown>): IntrospectedToken | null {
    if (answer.get("active") !== true) return null;
    const issuer = answer.get("iss");
    if (issuer !== undefined && issuer !== this.#options.issuer) return null;
    const now = this.#now();
    const exp = answer.get("exp");
    if (exp !== undefined && typeof exp !== "number") return null;
    const expiresAt = Math.min(exp === undefined ? now + MAX_LIFETIME_MS : exp * 1_000, now + GOOD_FOR_MS);
    if (expiresAt <= now) return null;
    try {
      return { user: userOf(answer), audiences: listOf(answer.get("aud") ?? answer.get("client_id")), expiresAt };
    } catch (error) {
      if (error instanceof ClaimsError) return null;
      throw error;
    }
  }
}

function unavailable(why: string, cause?: unknown): HubError {
  return new HubError("unavailable", `The personal access token can't be checked: ${why}. Try again shortly.`, {
    retryAfterMs: 1_000,
    ...(cause !== undefined && { cause }),
  });
}
