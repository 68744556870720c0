import type { HubConfig } from "../config/config.ts";
import type { DevelopmentIssuer } from "./development-issuer.ts";
import { Introspection } from "./introspection.ts";
import { remoteKeys } from "./issuer-keys.ts";
import type { PersonalTokens, TokenIssuer } from "./tokens.ts";

/** The issuers whose tokens the hub accepts. */
export function issuersOf({ auth }: HubConfig, development: DevelopmentIssuer | null): TokenIssuer[] {
  const issuers: TokenIssuer[] = development ? [development] : [];
  if (auth.issuer !== null) {
    issuers.push({ issuer: auth.issuer, audiences: auth.audiences, keys: remoteKeys({ issuer: auth.issuer }) });
  }
  return issuers;
}

/** Null if the hub does not accept personal access tokens. */
export function personalTokensOf({ auth }: HubConfig): PersonalTokens | null {
  const { issuer, introspectionUrl: url, audiences, personalTokenCacheMs: cacheMs } = auth;
  if (issuer === null || url === null) return null;
  return { introspection: new Introspection({ url, issuer, cacheMs }), audiences };
}
