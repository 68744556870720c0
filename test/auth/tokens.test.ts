import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import {
  base64url,
  type CryptoKey,
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from "jose";
import { MAX_LIFETIME_MS } from "../../hub/auth/claims.ts";
import { MAX_TOKEN_BYTES, TokenVerifier } from "../../hub/auth/tokens.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import { suite } from "../support/suite.ts";
import { CACHE_MS, digestOf, directoryOf, TokenRows } from "./known-tokens.ts";

const test = suite("tokens");

const ISSUER = "https://auth.example.com";
const nowSeconds = () => Math.floor(Date.now() / 1_000);
const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
const foreign = await generateKeyPair("ES256");
const rsa = await generateKeyPair("RS256", { extractable: true });
const edwards = await generateKeyPair("EdDSA", { extractable: true });
const keys = createLocalJWKSet({
  keys: [
    { ...(await exportJWK(publicKey)), kid: "es", alg: "ES256" },
    { ...(await exportJWK(rsa.publicKey)), kid: "rs" },
    { ...(await exportJWK(edwards.publicKey)), kid: "ed" },
    // An issuer that publishes a symmetric key by mistake must not open the hub to everyone.
    { kty: "oct", k: base64url.encode("published by mistake"), kid: "oct" },
  ],
});

const claims = (change: object = {}) => ({
  mode: "access",
  type: "user",
  properties: { email: "ada@example.com", name: "Ada" },
  aud: "web",
  iss: ISSUER,
  sub: "ada",
  exp: nowSeconds() + 600,
  ...change,
});
const header: JWTHeaderParameters = { alg: "ES256", kid: "es", typ: "JWT" };

/** Signs the exact text, so that payloads can be invalid in ways that no library produces. */
async function signText(payload: string, protectedHeader: object = header, key: CryptoKey = privateKey) {
  const signed = `${base64url.encode(JSON.stringify(protectedHeader))}.${base64url.encode(payload)}`;
  const parameters = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(parameters, key, new TextEncoder().encode(signed));
  return `${signed}.${base64url.encode(new Uint8Array(signature))}`;
}
const sign = (change: object = {}, protectedHeader: object = header, key: CryptoKey = privateKey) =>
  signText(JSON.stringify(claims(change)), protectedHeader, key);

function setUp(options: { services?: ConstructorParameters<typeof TokenVerifier>[0]["services"] } = {}) {
  const rows = new TokenRows();
  const clock = { now: 0 };
  const verifier = new TokenVerifier({
    directory: directoryOf(rows, clock),
    issuers: [{ issuer: ISSUER, audiences: ["web", "cli"], keys }],
    services: options.services ?? [],
  });
  return { rows, clock, verifier };
}

/** Asserts a rejection with this code, and without any part of the token in the message. */
async function refuses(token: string, code = "unauthenticated"): Promise<HubError> {
  const { rows, verifier } = setUp();
  const error = await verifier.verify(token).then(
    () => assert.fail("the token was accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HubError, `not a refusal: ${String(error)}`);
  assert.equal(error.code, code);
  for (const part of token.split(".")) if (part.length > 8) assert.ok(!error.message.includes(part));
  assert.equal(rows.users.size, 0);
  return error;
}

test("a first-party access token of Monster Auth covers every organization of its user", async () => {
  const { rows, verifier } = setUp();
  const exp = nowSeconds() + 600;
  const credentials = await verifier.verify(await sign({ exp }));
  const principal = { kind: "user", id: "user_of_ada", clientIds: null };
  assert.deepEqual(credentials, { principal, expiresAt: exp * 1_000 });
  assert.deepEqual(
    [...rows.users.values()],
    [{ subject: "ada", email: "ada@example.com", emailVerified: false, name: "Ada" }],
  );
});

test("a token for other audiences covers the organizations of those clients", async () => {
  const { verifier } = setUp();
  const audiencesOf = async (aud: unknown) => {
    const { principal } = await verifier.verify(await sign({ aud }));
    return principal.kind === "user" ? principal.clientIds : assert.fail();
  };
  assert.deepEqual(await audiencesOf("partner"), ["partner"]);
  assert.deepEqual(await audiencesOf(["partner", "other"]), ["partner", "other"]);
  assert.equal(await audiencesOf(["partner", "cli"]), null);
});

test("a token without a type is a user's, as an issuer with one kind of subject writes it", async () => {
  const { verifier } = setUp();
  assert.equal((await verifier.verify(await sign({ type: undefined }))).principal.kind, "user");
});

test("RS256 and EdDSA are accepted like ES256", async () => {
  const { verifier } = setUp();
  const tokens = [
    await new SignJWT(claims()).setProtectedHeader({ alg: "RS256", kid: "rs" }).sign(rsa.privateKey),
    await new SignJWT(claims()).setProtectedHeader({ alg: "EdDSA", kid: "ed" }).sign(edwards.privateKey),
  ];
  for (const token of tokens) assert.equal((await verifier.verify(token)).principal.id, "user_of_ada");
});

test("an address is verified only if the claim beside it is true", async () => {
  const verified = async (change: object) => {
    const { rows, verifier } = setUp();
    await verifier.verify(await sign({ sub: "a", ...change }));
    return rows.users.get("a")?.emailVerified;
  };
  assert.equal(await verified({ properties: { email: "a@example.com", email_verified: true } }), true);
  assert.equal(await verified({ properties: {}, email: "a@example.com", email_verified: true }), true);
  assert.equal(await verified({ properties: { email: "a@example.com", emailVerified: true } }), true);
  assert.equal(await verified({ properties: { email: "a@example.com", email_verified: "true" } }), false);
  assert.equal(
    await verified({ properties: { email: "a@example.com" }, email: "b@example.com", email_verified: true }),
    false,
  );
  assert.equal(await verified({ properties: { email: "no address", email_verified: true } }), false);
});

test("an email is taken from the properties, else from the payload, and omitted if it is invalid", async () => {
  const { rows, verifier } = setUp();
  await verifier.verify(await sign({ sub: "a", properties: {}, email: "a@example.com" }));
  await verifier.verify(await sign({ sub: "b", properties: null }));
  await verifier.verify(await sign({ sub: "c", properties: { email: "no address", name: "x\0y" } }));
  const emails = [...rows.users.values()].map(({ email, name }) => [email, name]);
  assert.deepEqual(emails, [
    ["a@example.com", null],
    [null, null],
    [null, null],
  ]);
});

const hostile: [what: string, token: () => Promise<string> | string][] = [
  ["no algorithm", () => `${base64url.encode('{"alg":"none"}')}.${base64url.encode(JSON.stringify(claims()))}.`],
  ["no algorithm but a signature", () => sign({}, { alg: "none", kid: "es" })],
  [
    "HS256 with the public key as the secret",
    async () => {
      const text = `${base64url.encode('{"alg":"HS256","kid":"es"}')}.${base64url.encode(JSON.stringify(claims()))}`;
      return `${text}.${createHmac("sha256", await exportSPKI(publicKey))
        .update(text)
        .digest("base64url")}`;
    },
  ],
  [
    "HS256 with a symmetric key that the issuer published",
    () =>
      new SignJWT(claims())
        .setProtectedHeader({ alg: "HS256", kid: "oct" })
        .sign(new TextEncoder().encode("published by mistake")),
  ],
  ["another's key under a known key id", () => sign({}, header, foreign.privateKey)],
  ["an unknown key id", () => sign({}, { ...header, kid: "other" }, foreign.privateKey)],
  ["a path as key id", () => sign({}, { ...header, kid: "../../../../dev/null" }, foreign.privateKey)],
  ["SQL as key id", () => sign({}, { ...header, kid: "' UNION SELECT 'key" }, foreign.privateKey)],
  ["a prototype's name as key id", () => sign({}, { ...header, kid: "__proto__" }, foreign.privateKey)],
  ["a key set in its header (jku)", () => sign({}, { ...header, jku: "http://127.0.0.1:1/jwks" }, foreign.privateKey)],
  ["a certificate in its header (x5u)", () => sign({}, { ...header, x5u: "http://127.0.0.1:1/x" }, foreign.privateKey)],
  [
    "a key in its header (jwk)",
    async () => sign({}, { ...header, jwk: await exportJWK(foreign.publicKey) }, foreign.privateKey),
  ],
  ["an unknown critical header", () => sign({}, { ...header, crit: ["x"], x: 1 })],
  ["the type of another token", () => sign({}, { ...header, typ: "logout+jwt" })],
  ["another issuer", () => sign({ iss: "https://evil.example.com" })],
  ["an issuer's name with a slash more", () => sign({ iss: `${ISSUER}/` })],
  ["no issuer", () => sign({ iss: undefined })],
  ["an issuer that is a list", () => sign({ iss: [ISSUER] })],
  ["no audience", () => sign({ aud: undefined })],
  ["an empty list of audiences", () => sign({ aud: [] })],
  ["an audience that is no text", () => sign({ aud: [1, {}] })],
  ["no subject", () => sign({ sub: undefined })],
  ["an empty subject", () => sign({ sub: "" })],
  ["a subject that is a number", () => sign({ sub: 1 })],
  ["a subject with a NUL", () => sign({ sub: "a\0b" })],
  ["a subject with a lone surrogate", () => sign({ sub: "a\ud800" })],
  ["the subject of a placeholder user", () => sign({ sub: "pending:01M8367FSZCK45PRTC1DR3483C" })],
  ["a subject of 101 characters", () => sign({ sub: "a".repeat(101) })],
  ["no expiry", () => sign({ exp: undefined })],
  ["an expiry that is text", () => sign({ exp: String(nowSeconds() + 600) })],
  ["an expiry that is null", () => sign({ exp: null })],
  ["an infinite expiry", () => signText(JSON.stringify(claims({ exp: 1 })).replace('"exp":1', '"exp":1e400'))],
  ["an issuance in the future", () => sign({ iat: nowSeconds() + 60 })],
  ["an issuance that is text", () => sign({ iat: "yesterday" })],
  ["a beginning in the future", () => sign({ nbf: nowSeconds() + 60 })],
  ["the type of a workstation", () => sign({ type: "workstation" })],
  ["a type that only looks like a user's", () => sign({ type: "User" })],
  ["an empty type", () => sign({ type: "" })],
  ["a type that is a list", () => sign({ type: ["user"] })],
  ["a type that is null", () => sign({ type: null })],
  ["the mode of a refresh token", () => sign({ mode: "refresh" })],
  ["a payload that is a list", () => signText("[]")],
  ["a payload that is not JSON", () => signText("{")],
  [
    "a payload changed after signing",
    async () => (await sign()).replace(/\.[^.]+\./, `.${base64url.encode(JSON.stringify(claims({ sub: "root" })))}.`),
  ],
  ["nothing", () => ""],
  ["only dots", () => ".."],
  ["five parts", () => "a.b.c.d.e"],
  ["NULs", () => "\0\0\0.\0.\0"],
  ["a line break inside", async () => (await sign()).replace(".", "\n.")],
  ["nothing but whitespace", () => " \n\t"],
  ["letters beyond ASCII", () => "ä.ö.ü"],
  ["a registration token that is too short", () => "wst_abc"],
  ["an unknown registration token", () => `wst_${"a".repeat(43)}`],
  ["a registration token with something after it", () => `wst_${"a".repeat(43)}\n`],
  ["an unknown service token", () => "svc_abc"],
  ["an unknown prefix", () => "xyz_abc"],
  ["a prefix in capitals", () => `WST_${"a".repeat(43)}`],
];
for (const [what, token] of hostile) {
  test(`a token with ${what} is rejected without an echo`, async () => {
    await refuses(await token());
  });
}

test("an expired token gets `token_expired`, but not within the tolerated clock skew", async () => {
  await refuses(await sign({ exp: nowSeconds() - 6 }), "token_expired");
  const { verifier } = setUp();
  await verifier.verify(await sign({ exp: nowSeconds() - 2, iat: nowSeconds() + 3, nbf: nowSeconds() + 3 }));
});

test("an expiry in the far future is cut to the longest delay of a timer", async () => {
  const { verifier } = setUp();
  const { expiresAt } = await verifier.verify(await sign({ exp: 1e300 }));
  assert.ok(expiresAt !== null && expiresAt <= Date.now() + MAX_LIFETIME_MS);
});

test("a token over 8 KB is rejected before it is parsed", async () => {
  for (const token of [`wst_${"a".repeat(9_000)}`, await sign({ x: "x".repeat(9_000) }), ".".repeat(9_000)]) {
    assert.match((await refuses(token)).message, new RegExp(`longer than ${MAX_TOKEN_BYTES} bytes`));
  }
});

test("whitespace around any kind of token is ignored", async () => {
  const registration = `wst_${"a".repeat(43)}`;
  const service = { name: "backend", sha256: digestOf("svc_secret"), organizations: "*" } as const;
  const { rows, verifier } = setUp({ services: [service] });
  rows.workstations.set(digestOf(registration), "ws_a");
  for (const token of [await sign(), registration, "svc_secret"]) {
    const plain = await verifier.verify(token);
    for (const padded of [`${token}\n`, ` ${token}\r\n`, `\t\ufeff${token} \u00a0`])
      assert.deepEqual(await verifier.verify(padded), plain);
  }
});

test("a personal access token is rejected if the hub can't check it", async () => {
  assert.match((await refuses("pat_secret")).message, /does not take personal access tokens/);
});

test("a registration token authenticates the workstation with its digest, without expiry", async () => {
  const { rows, verifier } = setUp();
  const token = `wst_${"b".repeat(43)}`;
  rows.workstations.set(digestOf(token), "ws_1");
  const principal = { kind: "workstation", id: "ws_1", tokenDigest: digestOf(token) };
  assert.deepEqual(await verifier.verify(token), { principal, expiresAt: null });
});

test("a service token authenticates the service within its organizations", async () => {
  const services = [
    { name: "one", sha256: digestOf("svc_one"), organizations: ["org_1"] },
    { name: "two", sha256: digestOf("svc_two"), organizations: "*" as const },
  ];
  const { verifier } = setUp({ services });
  const { principal, expiresAt } = await verifier.verify("svc_two");
  assert.deepEqual(principal, { kind: "service", id: "two", organizations: "*" });
  assert.equal(expiresAt, null);
  assert.equal((await verifier.verify("svc_one")).principal.id, "one");
  await assert.rejects(verifier.verify("svc_three"), { code: "unauthenticated" });
});

test("the tokens of 1,000 clients that connect at the same time are looked up in one statement", async () => {
  const { rows, verifier } = setUp();
  const tokens = Array.from({ length: 1_000 }, (_, index) => `wst_${String(index).padStart(43, "0")}`);
  for (const token of tokens) rows.workstations.set(digestOf(token), token);
  await Promise.all(tokens.map((token) => verifier.verify(token)));
  assert.equal(rows.statements.length, 1);
});

test("a workstation registered just after its token was rejected can connect within a second", async () => {
  const { rows, clock, verifier } = setUp();
  const token = `wst_${"c".repeat(43)}`;
  await assert.rejects(verifier.verify(token), { code: "unauthenticated" });
  rows.workstations.set(digestOf(token), "ws_1");
  clock.now += 1_001;
  assert.equal((await verifier.verify(token)).principal.id, "ws_1");
});

test("while the database is unavailable, cached tokens are accepted, and others are unavailable", async () => {
  const { rows, clock, verifier } = setUp();
  const token = `wst_${"d".repeat(43)}`;
  rows.workstations.set(digestOf(token), "ws_1");
  await verifier.verify(token);
  await verifier.verify(await sign());
  rows.failure = new HubError("unavailable", "The database is unavailable.");
  clock.now += CACHE_MS + 1;
  assert.equal((await verifier.verify(token)).principal.id, "ws_1");
  assert.equal((await verifier.verify(await sign())).principal.id, "user_of_ada");
  await assert.rejects(verifier.verify(`wst_${"e".repeat(43)}`), { code: "unavailable" });
  await assert.rejects(verifier.verify(await sign({ sub: "bob" })), { code: "unavailable" });
});

test.run();
