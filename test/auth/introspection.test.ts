import assert from "node:assert/strict";
import { Introspection } from "../../hub/auth/introspection.ts";
import { suite } from "../support/suite.ts";
import { TestIssuer } from "./openauth.ts";

const test = suite("introspection of personal access tokens");
const PAT = "pat_0123456789abcdef";

interface Setting {
  issuer: TestIssuer;
  introspection: Introspection;
  clock: { now: number };
}

async function withIntrospection(body: (setting: Setting) => Promise<void>): Promise<void> {
  const issuer = await TestIssuer.start();
  const clock = { now: 1_800_000_000_000 };
  const url = `${issuer.url}/introspect`;
  const introspection = new Introspection({ url, issuer: issuer.url, cacheMs: 10_000, now: () => clock.now });
  try {
    await body({ issuer, introspection, clock });
  } finally {
    await issuer.stop();
  }
}

test("a response is cached for its time, and shared by concurrent checks", () =>
  withIntrospection(async ({ issuer, introspection, clock }) => {
    issuer.personal.set(PAT, { active: true, sub: "ada", email: "ada@example.com", email_verified: true });
    const answers = await Promise.all(Array.from({ length: 20 }, () => introspection.check(PAT)));
    for (const answer of answers) {
      assert.deepEqual(answer, {
        user: { subject: "ada", email: "ada@example.com", emailVerified: true, name: null },
        audiences: [],
        expiresAt: clock.now + 300_000,
      });
    }
    assert.equal(issuer.introspections.length, 1);
    issuer.personal.delete(PAT);
    clock.now += 9_999;
    assert.ok(await introspection.check(PAT));
    clock.now += 1;
    assert.equal(await introspection.check(PAT), null);
    assert.equal(await introspection.check(PAT), null);
    assert.equal(issuer.introspections.length, 2);
  }));

test("any ambiguous response counts as inactive", () =>
  withIntrospection(async ({ issuer, introspection, clock }) => {
    const seconds = clock.now / 1_000;
    const refused: Record<string, unknown>[] = [
      { active: false, sub: "ada" },
      { active: "true", sub: "ada" },
      { sub: "ada" },
      { active: true },
      { active: true, sub: "ada", iss: "https://elsewhere.example" },
      { active: true, sub: "ada", exp: seconds - 1 },
      { active: true, sub: "ada", exp: "never" },
      { active: true, sub: 7 },
      { active: true, sub: "ada", type: "workstation" },
      { active: true, sub: "pending:01M8367FSZCK45PRTC1DR3483C" },
    ];
    for (const [index, answer] of refused.entries()) {
      const token = `${PAT}${index}`;
      issuer.personal.set(token, answer);
      assert.equal(await introspection.check(token), null, JSON.stringify(answer));
    }
    issuer.personal.set(PAT, { active: true, sub: "ada", exp: seconds + 60, client_id: "partner" });
    const good = await introspection.check(PAT);
    assert.deepEqual([good?.audiences, good?.expiresAt], [["partner"], clock.now + 60_000]);
  }));

test("a malformed personal access token causes no request to the issuer", () =>
  withIntrospection(async ({ issuer, introspection }) => {
    for (const token of [
      "pat_",
      "pat_short",
      `pat_${"x".repeat(600)}`,
      "pat_with space and more",
      "pat_ünïcödé_letters",
    ])
      assert.equal(await introspection.check(token), null);
    assert.equal(issuer.introspections.length, 0);
  }));

test("while the endpoint is unavailable, checks are unavailable, and cached responses stay valid", () =>
  withIntrospection(async ({ issuer, introspection }) => {
    issuer.personal.set(PAT, { active: true, sub: "ada" });
    assert.ok(await introspection.check(PAT));
    await issuer.stop();
    assert.ok(await introspection.check(PAT));
    await assert.rejects(introspection.check(`${PAT}_other`), { code: "unavailable", retryAfterMs: 1_000 });
    await issuer.resume();
    assert.equal(await introspection.check(`${PAT}_other`), null);
  }));

test("made-up tokens are checked with a bounded number of concurrent requests", () =>
  withIntrospection(async ({ introspection }) => {
    const checks = Array.from({ length: 80 }, (_, index) => introspection.check(`${PAT}${index}`));
    const outcomes = await Promise.allSettled(checks);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 30);
  }));

test.run();
