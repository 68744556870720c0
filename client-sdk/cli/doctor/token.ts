import { ago } from "../format/times.ts";
import { type Check, type Finding, fail, ok, warn } from "./check.ts";

const SOON_MS = 300_000;
const RENEW = "Get a new one and pass it with --token or `context add`.";

/** Checks a token locally. The token is never shown. */
export const tokenCheck: Check = {
  id: "token",
  title: "token",
  needs: [],
  run: async ({ token }) => readToken(token, Date.now()),
};

/** Checks a token's format, and the expiry of a JWT. */
export function readToken(token: string | null, nowMs: number): Finding {
  if (token === null) {
    return fail(
      "no token",
      "Pass one with --token, or add a context for this address. Tokens saved for other hubs are not sent here.",
    );
  }
  if (token.startsWith("wst_")) return fixed(token, /^wst_[A-Za-z0-9_-]{43}$/, "a workstation token");
  if (token.startsWith("svc_")) return fixed(token, /^svc_[\x21-\x7e]+$/, "a service token");
  if (token.startsWith("pat_")) return fixed(token, /^pat_[\x21-\x7e]+$/, "a personal access token");
  const claims = claimsOf(token);
  return claims ? readClaims(claims, nowMs) : fail("unknown format", `Check that it was copied completely. ${RENEW}`);
}

function fixed(token: string, shape: RegExp, kind: string): Finding {
  if (shape.test(token)) return ok(`${kind}, ${token.length} characters, without an expiry`);
  return fail(`starts like ${kind} but has a wrong length`, "Check that it was copied completely.");
}

interface Claims {
  sub?: unknown;
  iss?: unknown;
  exp?: unknown;
}

/** Decodes the claims of a JWT without checking its signature. */
function claimsOf(token: string): Claims | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? "", "base64url").toString("utf8"));
    return typeof claims === "object" ? claims : null;
  } catch {
    return null;
  }
}

function readClaims({ sub, iss, exp }: Claims, nowMs: number): Finding {
  const kind = `a user token for ${typeof sub === "string" ? sub : "no user"}, issued by ${typeof iss === "string" ? iss : "no issuer"}`;
  if (typeof exp !== "number") return ok(`${kind}, without an expiry`);
  const leftMs = exp * 1000 - nowMs;
  if (leftMs <= 0) return fail(`${kind}, expired ${ago(-leftMs)} ago`, RENEW);
  const measured = `${kind}, ${ago(leftMs)} left`;
  return leftMs < SOON_MS ? warn(measured, RENEW) : ok(measured);
}
