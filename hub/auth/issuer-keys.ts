import { createRemoteJWKSet, customFetch, errors, type JWKSCacheInput, type JWTVerifyGetKey, jwksCache } from "jose";
import { HubError } from "../errors.ts";

export interface IssuerKeysOptions {
  issuer: string;
  /** Between two fetches for keys that nobody knows: whoever makes up key ids must not make the hub flood its issuer. */
  cooldownMs?: number;
  timeoutMs?: number;
  /** How old keys may be before they are read again beside the traffic, so that a withdrawn one goes. */
  maxAgeMs?: number;
  /** How long after a failed fetch the next one is tried, where no keys are known yet. */
  retryMs?: number;
}

export const DEFAULT_COOLDOWN_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 3_000;
const DEFAULT_MAX_AGE_MS = 600_000;
const DEFAULT_RETRY_MS = 1_000;
const EVER = Number.POSITIVE_INFINITY;

/**
 * The keys of an issuer, from `<issuer>/.well-known/jwks.json` and from nowhere else, whatever a token's header says.
 * Keys once read go on while the issuer is away; without any, and for a new key while the issuer may not be asked again
 * yet, the getter throws `unavailable`.
 */
export function remoteKeys(options: IssuerKeysOptions): JWTVerifyGetKey {
  const { cooldownMs = DEFAULT_COOLDOWN_MS, maxAgeMs = DEFAULT_MAX_AGE_MS, retryMs = DEFAULT_RETRY_MS } = options;
  const cache: { uat?: number; jwks?: object } = {};
  /** The last request: its number, its time, and the keys that were known before it. Its success replaces those. */
  let last = { number: 0, at: 0, before: cache.jwks };
  const readAt = () => cache.uat ?? 0;
  const keys = createRemoteJWKSet(new URL(`${options.issuer.replace(/\/+$/, "")}/.well-known/jwks.json`), {
    cooldownDuration: cooldownMs,
    cacheMaxAge: EVER,
    timeoutDuration: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    [jwksCache]: cache as JWKSCacheInput,
    [customFetch](url, init) {
      const failed = last.number > 0 && last.before === cache.jwks;
      const waitMs = cache.jwks ? cooldownMs : retryMs;
      const now = performance.now();
      if (failed && now - last.at < waitMs) return Promise.reject(new Error("the issuer was away just now"));
      last = { number: last.number + 1, at: now, before: cache.jwks };
      return fetch(url, init);
    },
  });
  return async (header, token) => {
    const askedAt = Date.now();
    const asked = { number: last.number, jwks: cache.jwks };
    // Nobody waits for this one: where it fails, the keys that are known go on.
    if (readAt() > 0 && askedAt - readAt() > maxAgeMs) keys.reload().catch(() => undefined);
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw away(error, retryMs);
      // Read by a request that began after this call. Times of day can't show that: within a millisecond they are equal.
      if (last.number > asked.number && cache.jwks !== asked.jwks) throw error;
      // The key may have been made since: its client must come back with the same token, not give up.
      throw away(undefined, Math.max(retryMs, readAt() + cooldownMs - askedAt));
    }
  };
}

function away(cause: unknown, retryAfterMs: number): HubError {
  return new HubError("unavailable", "The issuer's keys can't be read at the moment. Try again with the same token.", {
    retryAfterMs,
    ...(cause !== undefined && { cause }),
  });
}
