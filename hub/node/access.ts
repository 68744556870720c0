import { Authorizer } from "../auth/authorizer.ts";
import { DevelopmentIssuer } from "../auth/development-issuer.ts";
import { Directory } from "../auth/directory.ts";
import { Introspection } from "../auth/introspection.ts";
import { remoteKeys } from "../auth/issuer-keys.ts";
import { type PersonalTokens, type TokenIssuer, TokenVerifier } from "../auth/tokens.ts";
import type { HubConfig } from "../config/config.ts";
import type { Logger } from "../kernel/log.ts";
import type { Database } from "../store/database.ts";
import { PostgresFacts } from "../store/facts.ts";
import { type DevelopmentSeed, developmentServiceToken, seedDevelopment, sha256 } from "./development.ts";

/** The tokens that the hub accepts, and the rights of their principals. */
export interface Access {
  authorizer: Authorizer;
  verifier: TokenVerifier;
  /** The rows and tokens of development mode; null in production. */
  seed: DevelopmentSeed | null;
}

export interface AccessOptions {
  config: HubConfig;
  database: Database;
  log: Logger;
}

/** In development mode this seeds the database. Throws if that fails: such a hub must never be ready. */
export async function openAccess({ config, database, log }: AccessOptions): Promise<Access> {
  const { auth } = config;
  const shared = {
    source: new PostgresFacts(database, log),
    cacheMs: auth.rightsCacheMs,
    outageMs: config.database.outageMs,
  };
  const development = config.development ? await openDevelopment(database, config.dataDir) : null;
  const verifier = new TokenVerifier({
    directory: new Directory(shared),
    issuers: [...(development ? [development.issuer] : []), ...issuersOf(auth)],
    personal: personalTokensOf(auth),
    services: [...auth.serviceTokens, ...(development ? [development.service] : [])],
  });
  return { authorizer: new Authorizer(shared), verifier, seed: development?.seed ?? null };
}

async function openDevelopment(database: Database, dataDir: string) {
  const issuer = await DevelopmentIssuer.open(dataDir);
  const serviceToken = await developmentServiceToken(dataDir);
  const seed = await seedDevelopment({ database, issuer, dataDir, serviceToken });
  return { issuer, seed, service: { name: "development", sha256: sha256(serviceToken), organizations: "*" as const } };
}

function issuersOf({ issuer, audiences }: HubConfig["auth"]): TokenIssuer[] {
  return issuer === null ? [] : [{ issuer, audiences, keys: remoteKeys({ issuer }) }];
}

/** Null if the hub does not accept personal access tokens. */
function personalTokensOf(auth: HubConfig["auth"]): PersonalTokens | null {
  const { issuer, introspectionUrl: url, audiences, personalTokenCacheMs: cacheMs } = auth;
  if (issuer === null || url === null) return null;
  return { introspection: new Introspection({ url, issuer, cacheMs }), audiences };
}
