import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWTVerifyGetKey,
  SignJWT,
} from "jose";

export interface DevelopmentSubject {
  subject: string;
  email?: string;
  name?: string;
  audience?: string;
  ttlSeconds?: number;
  /** The `iat` claim, in seconds since 1970. The token has no `iat` if it is missing. */
  issuedAt?: number;
}

/** The `iss` of its tokens. It is a URN, so that it can't equal the URL of a real issuer. */
const DEVELOPMENT_ISSUER = "urn:monster-realtime:development";
/** The first-party audience of its tokens. */
const DEVELOPMENT_AUDIENCE = "development";
const KEY_FILE = "development-issuer.json";
const ALGORITHM = "ES256";
const DEFAULT_TTL_SECONDS = 86_400;
const OWNER_ONLY = 0o600;

/** Issues tokens in Monster Auth's format to any caller. For development mode on loopback only. */
export class DevelopmentIssuer {
  readonly issuer = DEVELOPMENT_ISSUER;
  readonly audiences: readonly string[] = [DEVELOPMENT_AUDIENCE];
  /** Resolves its public key, like the key set of a remote issuer. */
  readonly keys: JWTVerifyGetKey;
  readonly #privateKey: Awaited<ReturnType<typeof importJWK>>;
  readonly #kid: string;

  private constructor(privateKey: Awaited<ReturnType<typeof importJWK>>, publicJwk: JWK, kid: string) {
    this.#privateKey = privateKey;
    this.#kid = kid;
    this.keys = createLocalJWKSet({ keys: [{ ...publicJwk, kid, alg: ALGORITHM, use: "sig" }] });
  }

  /** The issuer with the key in `dataDir`. Generates the key if there is none. Only the file's owner can read it. */
  static async open(dataDir: string): Promise<DevelopmentIssuer> {
    const { d, ...publicJwk } = await readKey(join(dataDir, KEY_FILE), dataDir);
    const kid = await calculateJwkThumbprint(publicJwk);
    return new DevelopmentIssuer(await importJWK({ ...publicJwk, ...(d && { d }) }, ALGORITHM), publicJwk, kid);
  }

  /** A token for this subject. Default: the first-party audience, valid for one day. */
  async mint({ subject, email, name, audience, ttlSeconds, issuedAt }: DevelopmentSubject): Promise<string> {
    const properties = {
      ...(email !== undefined && { email, email_verified: true }),
      ...(name !== undefined && { name }),
    };
    const issued = issuedAt !== undefined && { iat: issuedAt };
    return new SignJWT({ mode: "access", type: "user", properties, ...issued })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#kid, typ: "JWT" })
      .setIssuer(DEVELOPMENT_ISSUER)
      .setSubject(subject)
      .setAudience(audience ?? DEVELOPMENT_AUDIENCE)
      .setExpirationTime(Math.floor(Date.now() / 1_000) + (ttlSeconds ?? DEFAULT_TTL_SECONDS))
      .sign(this.#privateKey);
  }
}

async function readKey(file: string, dataDir: string): Promise<JWK> {
  const known = await readFile(file, "utf8").catch(ifMissing);
  if (known === null) {
    await mkdir(dataDir, { recursive: true });
    await writeKey(file);
    return readKey(file, dataDir);
  }
  await chmod(file, OWNER_ONLY);
  return parseKey(known, file);
}

/**
 * Writes a temporary file and links it into place. Two hubs that start at the same time agree on one key, and neither
 * reads a partial file.
 */
async function writeKey(file: string): Promise<void> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const aside = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(aside, JSON.stringify(await exportJWK(privateKey)), { mode: OWNER_ONLY, flag: "wx" });
  try {
    await link(aside, file);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    await unlink(aside);
  }
}

function parseKey(text: string, file: string): JWK {
  try {
    const { kty, crv, x, y, d } = JSON.parse(text) as JWK;
    if (kty === "EC" && crv === "P-256" && x && y && d) return { kty, crv, x, y, d };
  } catch (cause) {
    throw new Error(`${file} can't be parsed. Delete it: the next start generates a new key.`, { cause });
  }
  throw new Error(`${file} holds no key of the development issuer. Delete it: the next start generates a new key.`);
}

function ifMissing(error: unknown): null {
  if (hasCode(error, "ENOENT")) return null;
  throw error;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
