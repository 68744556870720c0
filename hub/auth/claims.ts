import { PENDING_PREFIX } from "../kernel/email-address.ts";
import type { UserClaims } from "./facts.ts";

/**
 * The payload of a token is not valid for Monster Auth. The message names the fault and contains no value of the token.
 */
export class ClaimsError extends Error {
  override name = "ClaimsError";
}

export interface CheckedClaims {
  user: UserClaims;
  audiences: readonly string[];
  /** Milliseconds since 1970, at most `MAX_LIFETIME_MS` from now. */
  expiresAt: number;
}

/** Tolerated clock skew: how far the issuer's clock may be ahead of the hub's. */
export const LEEWAY_S = 5;
/** The longest delay of a timer. Node.js fires a timer with a longer delay immediately. */
export const MAX_LIFETIME_MS = 2_147_483_647;
/** The subject type of a person in OpenAuth. */
const USER_TYPE = "user";
const MAX_SUBJECT_LENGTH = 100;
const MAX_TEXT_LENGTH = 255;
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/**
 * Parses the payload of a token whose signature is verified, in OpenAuth's form: `{ mode: "access", type, properties,
 * aud, iss, sub, exp }`. Throws `ClaimsError`. jose has checked the expiry already.
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

/** The non-empty strings of a claim that is a string or an array of strings. */
export function listOf(claim: unknown): string[] {
  return (Array.isArray(claim) ? claim : [claim]).filter((part) => typeof part === "string" && part !== "");
}

/** The user that these claims identify. Throws `ClaimsError` if they identify none. */
export function userOf(payload: ReadonlyMap<string, unknown>): UserClaims {
  const type = payload.get("type");
  if (type !== undefined && type !== USER_TYPE) throw new ClaimsError("its type is not that of a user");
  const subject = storable(payload.get("sub"), MAX_SUBJECT_LENGTH);
  if (!subject) throw new ClaimsError(`its sub is missing, longer than ${MAX_SUBJECT_LENGTH} characters, or no text`);
  // A user with the subject of a placeholder row would receive the invitations of another person's address.
  if (subject.startsWith(PENDING_PREFIX)) throw new ClaimsError("its sub is none that a person can have");
  const properties = payload.get("properties");
  const nested = new Map(Object.entries(typeof properties === "object" && properties !== null ? properties : {}));
  const email = storable(nested.get("email") ?? payload.get("email"), MAX_TEXT_LENGTH);
  const name = storable(nested.get("name") ?? payload.get("name"), MAX_TEXT_LENGTH);
  const address = email && EMAIL.test(email) ? email : null;
  return { subject, email: address, emailVerified: address !== null && vouchesFor(address, nested, payload), name };
}

/** `email_verified` counts only in the same object as the `email` it describes. */
function vouchesFor(address: string, ...claims: ReadonlyMap<string, unknown>[]): boolean {
  const beside = claims.find((claim) => claim.get("email") === address);
  return (beside?.get("email_verified") ?? beside?.get("emailVerified")) === true;
}

/** The string if Postgres can store it, else null. Postgres rejects NUL and lone surrogates. */
function storable(value: unknown, maxLength: number): string | null {
  if (typeof value !== "string" || value === "" || value.length > maxLength) return null;
  return value.includes("\0") || !value.isWellFormed() ? null : value;
}
