import assert from "node:assert/strict";
import type { Welcome } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { remoteKeys } from "../../hub/auth/issuer-keys.ts";
import { TokenVerifier } from "../../hub/auth/tokens.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { directoryOf, TokenRows } from "./known-tokens.ts";
import { TestIssuer } from "./openauth.ts";

const test = suite("Monster Auth");

const welcomeOf = (client: RawClient) => client.last("welcome")?.values[0] as Welcome;

async function withIssuer(body: (issuer: TestIssuer) => Promise<void>): Promise<void> {
  const issuer = await TestIssuer.start();
  try {
    await body(issuer);
  } finally {
    await issuer.stop();
  }
}

/** A hub that trusts a real OpenAuth issuer, with `web` as its first-party client. */
async function withMonsterAuth(
  body: (hub: TestHub, issuer: TestIssuer) => Promise<void>,
  env: (issuer: TestIssuer) => Record<string, string> = () => ({}),
): Promise<void> {
  await withIssuer((issuer) => {
    const trusted = { MONSTER_AUTH_ISSUER: issuer.url, MONSTER_AUTH_AUDIENCES: "web" };
    return withHub({ env: { ...trusted, ...env(issuer) } }, (hub) => body(hub, issuer));
  });
}

function verifierOf(issuer: TestIssuer): TokenVerifier {
  const keys = remoteKeys({ issuer: issuer.url, cooldownMs: 50, retryMs: 50 });
  return new TokenVerifier({
    directory: directoryOf(new TokenRows()),
    issuers: [{ issuer: issuer.url, audiences: ["web"], keys }],
    services: [],
  });
}

async function codeOf(verified: Promise<unknown>): Promise<string> {
  const outcome = await verified.then(
    () => "accepted",
    (error: unknown) => error,
  );
  return outcome instanceof HubError ? outcome.code : String(outcome);
}

test("a first login creates the user's row without a membership, and its invitations are waiting", () =>
  withMonsterAuth(async (hub, issuer) => {
    const [pending, membership] = [`user_${ulid()}`, `orgmem_${ulid()}`];
    await hub.database.query(
      (sql) =>
        sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${pending}, ${`pending:${ulid()}`}, 'new@example.com')`,
    );
    await hub.database.query(
      (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id, status)
        VALUES (${membership}, ${hub.organizationId}, ${pending}, 'invited')`,
    );
    const token = await issuer.token({ subject: "new", email: "New@Example.com", verified: true });
    const client = await hub.connect(token);
    const welcome = welcomeOf(client);
    assert.equal(welcome.principal.kind, "user");
    assert.deepEqual(welcome.principal.organizationIds, []);
    const [row] = await hub.database.query(
      (sql) => sql<{ user_id: string; status: string }[]>`
        SELECT user_id, status FROM organization_memberships WHERE id = ${membership}`,
    );
    assert.deepEqual({ ...row }, { user_id: welcome.principal.id, status: "invited" });
    assert.equal((await client.refused("subscribe", { channel: hub.taskChannel })).code, "forbidden");
  }));

test("a first-party client's token covers all organizations, another client's token only the client's organizations", () =>
  withMonsterAuth(async (hub, issuer) => {
    const seen = async (clientId: string) => {
      const client = await hub.connect(await issuer.token({ subject: "owner", clientId }));
      return welcomeOf(client).principal.organizationIds;
    };
    assert.deepEqual(await seen("web"), [hub.organizationId]);
    assert.deepEqual(await seen("partner"), []);
    await hub.database.query(
      (sql) => sql`UPDATE organizations SET monster_auth_client_id = 'partner' WHERE id = ${hub.organizationId}`,
    );
    await until(
      "the client's token covers its organization",
      async () => (await seen("partner"))[0] === hub.organizationId,
    );
    assert.deepEqual(await seen("stranger"), []);
  }));

test("a token of another client does not act on its own user, by Socket.IO or by HTTP", () =>
  withMonsterAuth(async (hub, issuer) => {
    const [own, stranger] = await Promise.all([
      issuer.token({ subject: "owner" }),
      issuer.token({ subject: "owner", clientId: "stranger" }),
    ]);
    const update = { method: "users.update", params: { id: hub.userId, set: { displayName: "Taken" } } };
    const create = { method: "organizations.create", params: { name: "Mine", slug: "mine" } };
    const limited = await hub.connect(stranger);
    assert.deepEqual(welcomeOf(limited).principal, { kind: "user", id: hub.userId, organizationIds: [] });
    const renewed = await hub.connect(own);
    await renewed.request("rpc", { method: "users.get", params: { id: hub.userId } });
    await renewed.request("auth.refresh", { token: stranger });
    for (const { method, params } of [update, create]) {
      assert.equal((await limited.refused("rpc", { method, params })).code, "forbidden");
      assert.equal((await renewed.refused("rpc", { method, params })).code, "forbidden");
      const response = await fetch(`${hub.url}/v1/rpc/${method}`, {
        method: "POST",
        headers: { authorization: `Bearer ${stranger}`, "content-type": "application/json" },
        body: JSON.stringify(params),
      });
      assert.equal(response.status, 403);
    }
    const [row] = await hub.database.query((sql) => sql`SELECT display_name FROM users WHERE id = ${hub.userId}`);
    assert.equal(row?.display_name, null);
  }));

test("an expired token, and one of another issuer, are rejected", () =>
  withMonsterAuth(async (hub, issuer) => {
    const expired = await issuer.token({ subject: "owner", ttl: -60 });
    await assert.rejects(hub.connect(expired), { code: "token_expired", temporary: true });
    await withIssuer(async (stranger) => {
      const foreign = await stranger.token({ subject: "owner" });
      await assert.rejects(hub.connect(foreign), { code: "unauthenticated" });
    });
  }));

test("after a rotation tokens of the new key are accepted, and those of the withdrawn key are not", () =>
  withIssuer(async (issuer) => {
    const verifier = verifierOf(issuer);
    const old = await issuer.token({ subject: "ada" });
    assert.equal(await codeOf(verifier.verify(old)), "accepted");
    issuer.rotate();
    const renewed = await issuer.token({ subject: "ada" });
    await until("the new key is accepted", async () => (await codeOf(verifier.verify(renewed))) === "accepted");
    await until("the old key is rejected", async () => (await codeOf(verifier.verify(old))) === "unauthenticated");
  }));

test("while the issuer is unavailable its cached keys stay valid, and a new one is unavailable", () =>
  withIssuer(async (issuer) => {
    const verifier = verifierOf(issuer);
    const known = await issuer.token({ subject: "ada" });
    assert.equal(await codeOf(verifier.verify(known)), "accepted");
    issuer.rotate();
    const renewed = await issuer.token({ subject: "ada" });
    await issuer.stop();
    assert.equal(await codeOf(verifier.verify(known)), "accepted");
    assert.equal(await codeOf(verifier.verify(renewed)), "unavailable");
    await issuer.resume();
    await until(
      "it is accepted when the issuer has recovered",
      async () => (await codeOf(verifier.verify(renewed))) === "accepted",
    );
  }));

const PAT = "pat_0123456789abcdef";

test("a personal access token has its owner's rights until it is revoked", () =>
  withMonsterAuth(
    async (hub, issuer) => {
      issuer.personal.set(PAT, { active: true, sub: "owner", iss: issuer.url });
      const client = await hub.connect(PAT);
      const { principal, expiresInMs } = welcomeOf(client);
      assert.equal(principal.id, hub.userId);
      assert.deepEqual(principal.organizationIds, [hub.organizationId]);
      assert.ok(expiresInMs !== null && expiresInMs > 0 && expiresInMs <= 300_000);
      issuer.personal.delete(PAT);
      await until("it is rejected", () =>
        hub.connect(PAT).then(
          () => false,
          (error: { code: string }) => error.code === "unauthenticated",
        ),
      );
      // An open connection is asked for a new token, and has none.
      assert.equal((await client.refused("auth.refresh", { token: PAT })).code, "unauthenticated");
    },
    ({ url }) => ({
      MONSTER_AUTH_INTROSPECTION_URL: `${url.replace("://", "://hub:s%20cret@")}/introspect`,
      PAT_CACHE_MS: "50",
    }),
  ));

test("the hub sends its own credentials to the introspection endpoint", () =>
  withMonsterAuth(
    async (hub, issuer) => {
      issuer.personal.set(PAT, { active: true, sub: "owner" });
      await hub.connect(PAT);
      const expected = `Basic ${Buffer.from("hub:s cret").toString("base64")}`;
      assert.deepEqual(issuer.introspections, [{ authorization: expected }]);
    },
    ({ url }) => ({ MONSTER_AUTH_INTROSPECTION_URL: `${url.replace("://", "://hub:s%20cret@")}/introspect` }),
  ));

test.run();
