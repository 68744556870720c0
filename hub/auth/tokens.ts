import { createHash, timingSafeEqual } from "node:crypto";
import { decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { HubError } from "../kernel/errors.ts";
import { ClaimsError, checkClaims, LEEWAY_S } from "./claims.ts";
import { type Directory, verifiedAddress } from "./directory.ts";
import type { UserClaims } from "./facts.ts";
import type { Introspection } from "./introspection.ts";
import type { Credentials, UserPrincipal } from "./principal.ts";

/** An issuer that signs users' tokens. */
export interface TokenIssuer {
  issuer: string;
  /** Audiences of first-party clients, whose tokens cover every organization of a user. */
  audiences: readonly string[];
  keys: JWTVerifyGetKey;
}

/** A backend's token: its digest, and the organizations it covers. */
export interface ServiceDigest {
  name: string;
  /** SHA-256 of the token in hex. */
  sha256: string;
  organizations: "*" | readonly string[];
}

/** The check of users' personal access tokens. */
export interface PersonalTokens {
  introspection: Pick<Introspection, "check">;
  /** Audiences of first-party clients. */
  audiences: readonly string[];
}

export interface TokenVerifierOptions {
  directory: Directory;
  issuers: readonly TokenIssuer[];
  services: readonly ServiceDigest[];
  /** Checks personal access tokens. If missing or null, the hub rejects them. */
  personal?: PersonalTokens | null;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export const MAX_TOKEN_BYTES = 8_192;
/** Pinned: a token's header does not choose the algorithm that verifies it. */
const ALGORITHMS = ["ES256", "RS256", "EdDSA"];
const REQUIRED_CLAIMS = ["iss", "aud", "sub", "exp"];
const TOKEN_TYPES = ["jwt", "at+jwt"];
const WORKSTATION_TOKEN = /^wst_[A-Za-z0-9_-]{43}$/;
const BEARER = /^Bearer[ \t]+(.+)$/i;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The token of an `Authorization` header. Undefined if the header has none. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return BEARER.exec(authorization ?? "")?.[1];
}

/** Authenticates a token. Tokens are neither stored nor part of any error. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #issuers: ReadonlyMap<string, TokenIssuer>;
  readonly #services: readonly { digest: Buffer; service: ServiceDigest }[];

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, issuer]));
    this.#services = options.services.map((service) => ({ digest: Buffer.from(service.sha256, "hex"), service }));
  }

  /**
   * The credentials of this token. Surrounding whitespace, such as a file's newline, is ignored. Throws
   * `unauthenticated`, `token_expired`, or `unavailable` if the token can't be checked now. The workstation may be
   * suspended: the authorizer checks that.
   */
  async verify(given: string): Promise<Credentials> {
    // Checked first, so that a longer token costs nothing.
    if (given.length > MAX_TOKEN_BYTES) throw refused(`it is longer than ${MAX_TOKEN_BYTES} bytes`);
    const token = given.trim();
    if (token === "") throw refused("it is empty; send a token");
    if (/\s/.test(token)) throw refused("there is whitespace inside it; send one token, without anything beside it");
    if (token.startsWith("wst_")) return this.#verifyWorkstation(token);
    if (token.startsWith("svc_")) return this.#verifyService(token);
    if (token.startsWith("pat_")) return this.#verifyPersonal(token);
    return this.#verifyUser(token);
  }

  async #verifyWorkstation(token: string): Promise<Credentials> {
    const unknown = "no workstation has it; register the workstation, or use its newest token";
    if (!WORKSTATION_TOKEN.test(token)) throw refused(unknown);
    const tokenDigest = sha256(token).toString("hex");
    const id = await this.#options.directory.workstation(tokenDigest);
    if (id === null) throw refused(unknown);
    return { principal: { kind: "workstation", id, tokenDigest }, expiresAt: null };
  }

  #verifyService(token: string): Credentials {
    const digest = sha256(token);
    // Compares all digests, so that the time does not reveal which one matched or how close the token came.
    const found = this.#services.filter((known) => timingSafeEqual(known.digest, digest));
    const [first] = found;
    if (!first)
      throw refused("no service has it; add its SHA-256, taken without a newline, to SERVICE_TOKENS of the hub");
    const { name, organizations } = first.service;
    return { principal: { kind: "service", id: name, organizations }, expiresAt: null };
  }

  async #verifyPersonal(token: string): Promise<Credentials> {
    const { personal, directory } = this.#options;
    if (!personal) throw refused("this hub does not take personal access tokens; use an access token");
    const found = await personal.introspection.check(token);
    if (!found) throw refused("the personal access token is invalid, expired or revoked; create a new one");
    const { user, audiences, expiresAt } = found;
    const own = audiences.length === 0 || audiences.some((audience) => personal.audiences.includes(audience));
    return { principal: personOf(user, await directory.user(user), own ? null : audiences), expiresAt };
  }

  async #verifyUser(token: string): Promise<Credentials> {
    if (!JWT.test(token)) throw refused("it is neither a JWT nor a token of this system");
    const now = this.#options.now?.() ?? Date.now();
    try {
      const issuer = this.#issuerOf(token);
      const payload = await verifySignature(token, issuer, now);
      const { user, audiences, expiresAt } = checkClaims(new Map(Object.entries(payload)), now);
      const firstParty = audiences.some((audience) => issuer.audiences.includes(audience));
      const id = await this.#options.directory.user(user);
      return { principal: personOf(user, id, firstParty ? null : audiences), expiresAt };
    } catch (error) {
      throw publicError(error);
    }
  }

  #issuerOf(token: string): TokenIssuer {
    const { iss } = decodeJwt(token);
    const issuer = this.#issuers.get(String(iss));
    if (!issuer) throw new ClaimsError("this hub does not trust its issuer");
    return issuer;
  }
}

function personOf(claims: UserClaims, id: string, clientIds: readonly string[] | null): UserPrincipal {
  const address = verifiedAddress(claims);
  return { kind: "user", id, clientIds, ...(address !== null && { provenAddress: address }) };
}

async function verifySignature(token: string, { issuer, keys }: TokenIssuer, now: number): Promise<JWTPayload> {
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    algorithms: ALGORITHMS,
    issuer,
    requiredClaims: REQUIRED_CLAIMS,
    clockTolerance: LEEWAY_S,
    currentDate: new Date(now),
  });
  const { typ } = protectedHeader;
  if (typ !== undefined && !TOKEN_TYPES.includes(typ.toLowerCase())) throw new ClaimsError("it is no access token");
  return payload;
}

/** The error that the caller receives. It contains no value of the token, because errors may be logged. */
function publicError(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) {
    return new HubError("token_expired", "This token has expired. Get a new one and connect again.");
  }
  if (error instanceof ClaimsError) return refused(error.message);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("its signature is wrong");
  if (error instanceof errors.JWKSNoMatchingKey) return refused("its issuer does not have the key that signed it");
  if (error instanceof errors.JOSEAlgNotAllowed) return refused("its algorithm is not allowed");
  if (error instanceof errors.JWTClaimValidationFailed) return refused(`its ${error.claim} is missing or wrong`);
  if (error instanceof errors.JOSEError) return refused("it is no well-formed JWT");
  return error;
}

function refused(why: string): HubError {
  return new HubError("unauthenticated", `This token is not accepted: ${why}.`);
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
