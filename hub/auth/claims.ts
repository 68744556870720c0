import { PENDING_PREFIX } from "../email-address.ts";
import type { UserClaims } from "./facts.ts";

/** A token's payload is not what Monster Auth writes; the message says what is wrong, without any of the token's values. */
export class ClaimsError extends Error {
  override name = "ClaimsError";
}

export interface CheckedClaims {
  user: UserClaims;
  audiences: readonly string[];
  /** Milliseconds since 1970, at most `MAX_LIFETIME_MS` from now. */
  expiresAt: number;
}

/** How far the issuer's clock may be ahead of ours. */
export const LEEWAY_S = 5;
/** A timer set for longer than this fires at once. */
export const MAX_LIFETIME_MS = 2_147_483_647;
/** OpenAuth's name for the kind of subject that a person is. */
const USER_TYPE = "user";
const MAX_SUBJECT_LENGTH = 100;
const MAX_TEXT_LENGTH = 255;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/**
 * What the payload of a token with a good signature says, in OpenAuth's form: `{ mode: "access", type, properties, aud,
 * iss, sub, exp }`. Throws `ClaimsError`. That it has not run out is checked by jose.
 */
export function checkClaims(payload: ReadonlyMap<string, unknown>, now: number): CheckedClaims {
  const mode = payload.get("mode");
  if (mode !== undefined && mode !== "access") throw new ClaimsError("it is no access token");
  checkNotInFuture(payload, "iat", now);
  checkNotInFuture(payload, "nbf", now);
  const expiresAt = Math.min(numberOf(payload, "exp") * 1_000, now + MAX_LIFETIME_MS);
  return { user: userOf(payload), audiences: audiencesOf(payload.get("aud")), expiresAt };
}

function checkNotInFuture(payload: ReadonlyMap<string, unknown>, name: string, now: number): void {
  if (!payload.has(name)) return;
  if (numberOf(payload, name) > now / 1_000 + LEEWAY_S) throw new ClaimsError(`its ${name} lies in the future`);
}

function numberOf(payload: ReadonlyMap<string, unknown>, name: string): number {
  const value = payload.get(name);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new ClaimsError(`its ${name} is missing or no number`);
}

function audiencesOf(aud: unknown): string[] {
  const audiences = listOf(aud);
  if (audiences.length > 0) return audiences;
  throw new ClaimsError("its aud is missing");
}

/** The texts of a claim that is one or a list of them. */
export function listOf(claim: unknown): string[] {
  return (Array.isArray(claim) ? claim : [claim]).filter((part) => typeof part === "string" && part !== "");
}

/** Who the person is that these claims are about. Throws `ClaimsError` where they name nobody. */
export function userOf(payload: ReadonlyMap<string, unknown>): UserClaims {
  const type = payload.get("type");
  if (type !== undefined && type !== USER_TYPE) throw new ClaimsError("its type is not that of a user");
  const subject = storable(payload.get("sub"), MAX_SUBJECT_LENGTH);
  if (!subject) throw new ClaimsError(`its sub is missing, longer than ${MAX_SUBJECT_LENGTH} characters, or no text`);
  // Whoever had such a row for his own would have what somebody else's address was invited to.
  if (subject.startsWith(PENDING_PREFIX)) throw new ClaimsError("its sub is none that a person can have");
  const properties = payload.get("properties");
  const nested = new Map(Object.entries(typeof properties === "object" && properties !== null ? properties : {}));
  const email = storable(nested.get("email") ?? payload.get("email"), MAX_TEXT_LENGTH);
  const name = storable(nested.get("name") ?? payload.get("name"), MAX_TEXT_LENGTH);
  const address = email && EMAIL.test(email) ? email : null;
  return { subject, email: address, emailVerified: address !== null && vouchesFor(address, nested, payload), name };
}

/** The claim that says the address is verified has to lie beside the address it is about. */
function vouchesFor(address: string, ...claims: ReadonlyMap<string, unknown>[]): boolean {
  const beside = claims.find((claim) => claim.get("email") === address);
  return (beside?.get("email_verified") ?? beside?.get("emailVerified")) === true;
}

/** The text where Postgres can store it: it refuses NUL and lone surrogates. */
function storable(value: unknown, maxLength: number): string | null {
  if (typeof value !== "string" || value === "" || value.length > maxLength) return null;
  return value.includes("\0") || !value.isWellFormed() ? null : value;
}
