import { ago } from "../ago.ts";
import { type Check, type Finding, fail, ok, warn } from "./check.ts";

const SOON_MS = 300_000;
const RENEW = "Get a new one and give it by --token or `context add`.";

/** What can be said of a token without asking anybody. It is never shown. */
export const tokenCheck: Check = {
  id: "token",
  title: "token",
  needs: [],
  run: async ({ token }) => readToken(token, Date.now()),
};

/** The shapes that a hub knows, and of a JWT how long it lasts. */
export function readToken(token: string | null, nowMs: number): Finding {
  if (token === null) {
    return fail(
      "there is none",
      "Give one by --token, or add a context for this address: what is kept for another hub does not go here.",
    );
  }
  if (token.startsWith("wst_")) return fixed(token, /^wst_[A-Za-z0-9_-]{43}$/, "a workstation's");
  if (token.startsWith("svc_")) return fixed(token, /^svc_[\x21-\x7e]+$/, "a service's");
  if (token.startsWith("pat_")) return fixed(token, /^pat_[\x21-\x7e]+$/, "a personal access token");
  const claims = claimsOf(token);
  return claims
    ? readClaims(claims, nowMs)
    : fail("of no shape that hubs know", `Check that it was copied whole. ${RENEW}`);
}

function fixed(token: string, shape: RegExp, whose: string): Finding {
  if (shape.test(token)) return ok(`${whose}, ${token.length} characters, without an expiry of its own`);
  return fail(`begins like ${whose} and is not as long as one`, "Check that it was copied whole.");
}

interface Claims {
  sub?: unknown;
  iss?: unknown;
  exp?: unknown;
}

/** The claims of a JWT; nobody's signature is checked here. */
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
  const whose = `a user's, of ${typeof sub === "string" ? sub : "nobody"} by ${typeof iss === "string" ? iss : "no issuer"}`;
  if (typeof exp !== "number") return ok(`${whose}, without an expiry`);
  const leftMs = exp * 1000 - nowMs;
  if (leftMs <= 0) return fail(`${whose}, expired ${ago(-leftMs)} ago`, RENEW);
  const measured = `${whose}, ${ago(leftMs)} left`;
  return leftMs < SOON_MS ? warn(measured, RENEW) : ok(measured);
}
