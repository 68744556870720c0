import { createRemoteJWKSet, customFetch, errors, type JWKSCacheInput, type JWTVerifyGetKey, jwksCache } from "jose";
import { HubError } from "../kernel/errors.ts";

export interface IssuerKeysOptions {
  issuer: string;
  /** Minimum time between two fetches for unknown keys, so that made-up key ids can't make the hub flood its issuer. */
  cooldownMs?: number;
  timeoutMs?: number;
  /** Age after which the keys are fetched again in the background, so that a withdrawn key is dropped. */
  maxAgeMs?: number;
  /** Delay between a failed fetch and the next one, while no keys are cached. */
  retryMs?: number;
}

export const DEFAULT_COOLDOWN_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 3_000;
const DEFAULT_MAX_AGE_MS = 600_000;
const DEFAULT_RETRY_MS = 1_000;
const EVER = Number.POSITIVE_INFINITY;

/**
 * The keys of an issuer, always from `<issuer>/.well-known/jwks.json`, regardless of a token's header. Cached keys stay
 * valid while the issuer is unavailable. The getter throws `unavailable` if no keys are cached, or if a key is unknown
 * and the cooldown has not passed.
 */
export function remoteKeys(options: IssuerKeysOptions): JWTVerifyGetKey {
  const { cooldownMs = DEFAULT_COOLDOWN_MS, maxAgeMs = DEFAULT_MAX_AGE_MS, retryMs = DEFAULT_RETRY_MS } = options;
  const cache: { uat?: number; jwks?: object } = {};
  /** The last request: its number, its time, and the keys cached before it. A successful request replaces the keys. */
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
      if (failed && now - last.at < waitMs) return Promise.reject(new Error("The last request to the issuer failed."));
      last = { number: last.number + 1, at: now, before: cache.jwks };
      return fetch(url, init);
    },
  });
  return async (header, token) => {
    const askedAt = Date.now();
    const asked = { number: last.number, jwks: cache.jwks };
    // No caller awaits this reload. If it fails, the cached keys stay valid.
    if (readAt() > 0 && askedAt - readAt() > maxAgeMs) keys.reload().catch(() => undefined);
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw unavailable(error, retryMs);
      // The keys come from a request that began after this call. Timestamps can't show that: they are equal within 1
      // ms.
      if (last.number > asked.number && cache.jwks !== asked.jwks) throw error;
      // The issuer may have added the key since: the client must retry with the same token, not give up.
      throw unavailable(undefined, Math.max(retryMs, readAt() + cooldownMs - askedAt));
    }
  };
}

function unavailable(cause: unknown, retryAfterMs: number): HubError {
  return new HubError("unavailable", "The issuer's keys can't be read at the moment. Try again with the same token.", {
    retryAfterMs,
    ...(cause !== undefined && { cause }),
  });
}
