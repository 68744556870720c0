import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { type IssuerKeysOptions, remoteKeys } from "../../hub/auth/issuer-keys.ts";
import { TokenVerifier } from "../../hub/auth/tokens.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { directoryOf, TokenRows } from "./known-tokens.ts";

const test = suite("an issuer's keys");

interface Issuer {
  url: string;
  fetches: number;
  /** Its response: the keys, an error, an HTML page, or none at all. */
  answer: "keys" | "error" | "page" | "silence";
  addKey(kid: string): Promise<CryptoKey>;
  removeKey(kid: string): void;
  /** Holds back its responses, which contain the keys at the time of the request. The returned function sends them. */
  hold(): () => void;
}

/** Runs an issuer on loopback that publishes its keys over HTTP. */
async function withIssuer(body: (issuer: Issuer) => Promise<void>): Promise<void> {
  const published: JWK[] = [];
  let held = Promise.resolve();
  const server = createServer((request, response) => {
    assert.equal(request.url, "/.well-known/jwks.json");
    issuer.fetches += 1;
    if (issuer.answer === "silence") return;
    response.statusCode = issuer.answer === "error" ? 500 : 200;
    const body = issuer.answer === "page" ? "<html>" : JSON.stringify({ keys: published });
    void held.then(() => response.end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer: Issuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fetches: 0,
    answer: "keys",
    async addKey(kid) {
      const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
      published.push({ ...(await exportJWK(publicKey)), kid, alg: "ES256" });
      return privateKey;
    },
    removeKey(kid) {
      const index = published.findIndex((key) => key.kid === kid);
      published.splice(index, 1);
    },
    hold() {
      let release: () => void = () => undefined;
      held = new Promise((resolve) => {
        release = resolve;
      });
      return release;
    },
  };
  try {
    await body(issuer);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

function verifierOf(issuer: string, options: Partial<IssuerKeysOptions> = {}): TokenVerifier {
  const keys = remoteKeys({ issuer, ...options });
  const directory = directoryOf(new TokenRows());
  return new TokenVerifier({ directory, issuers: [{ issuer, audiences: ["web"], keys }], services: [] });
}

const tokenOf = (issuer: string, kid: string, key: CryptoKey) =>
  new SignJWT({ mode: "access" })
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer(issuer)
    .setAudience("web")
    .setSubject("ada")
    .setExpirationTime("5m")
    .sign(key);

test("keys are fetched once for any number of concurrent tokens", async () => {
  await withIssuer(async (issuer) => {
    const token = await tokenOf(issuer.url, "one", await issuer.addKey("one"));
    const verifier = verifierOf(issuer.url);
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)));
    assert.equal(issuer.fetches, 1);
  });
});

test("a rotated key is found, and the withdrawn key is no longer valid", async () => {
  await withIssuer(async (issuer) => {
    const old = await tokenOf(issuer.url, "old", await issuer.addKey("old"));
    const verifier = verifierOf(issuer.url, { cooldownMs: 0 });
    await verifier.verify(old);
    const renewed = await tokenOf(issuer.url, "new", await issuer.addKey("new"));
    issuer.removeKey("old");
    assert.equal((await verifier.verify(renewed)).principal.id, "user_of_ada");
    await assert.rejects(verifier.verify(old), { code: "unauthenticated" });
  });
});

test("made-up key ids cost one fetch per cooldown, and clients get a retryable error", async () => {
  await withIssuer(async (issuer) => {
    const key = await issuer.addKey("one");
    const verifier = verifierOf(issuer.url, { cooldownMs: 60_000 });
    await verifier.verify(await tokenOf(issuer.url, "one", key));
    for (let index = 0; index < 20; index += 1) {
      const token = await tokenOf(issuer.url, `made-up-${index}`, key);
      await assert.rejects(verifier.verify(token), { code: "unavailable" });
    }
    assert.equal(issuer.fetches, 1);
  });
});

/** Runs `body` with a frozen wall clock, as for calls within one millisecond. */
async function withinOneMillisecond(body: () => Promise<void>): Promise<void> {
  const { now } = Date;
  const instant = now();
  Date.now = () => instant;
  try {
    await body();
  } finally {
    Date.now = now;
  }
}

test("an unknown key id is retryable even if the keys were read in the same millisecond", async () => {
  await withIssuer(async (issuer) => {
    const key = await issuer.addKey("one");
    const verifier = verifierOf(issuer.url, { cooldownMs: 60_000 });
    await withinOneMillisecond(async () => {
      await verifier.verify(await tokenOf(issuer.url, "one", key));
      await assert.rejects(verifier.verify(await tokenOf(issuer.url, "new", key)), { code: "unavailable" });
    });
  });
});

test("a key that is added while the keys are being read is not rejected permanently", async () => {
  await withIssuer(async (issuer) => {
    const key = await issuer.addKey("one");
    const verifier = verifierOf(issuer.url, { cooldownMs: 60_000 });
    const release = issuer.hold();
    const first = verifier.verify(await tokenOf(issuer.url, "one", key));
    await until("the issuer receives a request", () => issuer.fetches === 1);
    const second = verifier.verify(await tokenOf(issuer.url, "two", await issuer.addKey("two")));
    const refused = assert.rejects(second, { code: "unavailable" });
    release();
    await first;
    await refused;
  });
});

test("a key id that the issuer does not have when asked is rejected permanently", async () => {
  await withIssuer(async (issuer) => {
    const key = await issuer.addKey("one");
    const verifier = verifierOf(issuer.url, { cooldownMs: 60_000 });
    await assert.rejects(verifier.verify(await tokenOf(issuer.url, "other", key)), { code: "unauthenticated" });
  });
});

for (const answer of ["error", "page", "silence"] as const) {
  test(`with an issuer that responds with ${answer}, cached keys stay valid, new ones are unavailable, and requests are few`, async () => {
    await withIssuer(async (issuer) => {
      const key = await issuer.addKey("one");
      const token = await tokenOf(issuer.url, "one", key);
      const verifier = verifierOf(issuer.url, { cooldownMs: 0, maxAgeMs: 0, timeoutMs: 200 });
      await verifier.verify(token);
      issuer.answer = answer;
      await verifier.verify(token);
      const other = await tokenOf(issuer.url, "two", await issuer.addKey("two"));
      await assert.rejects(verifier.verify(other), { code: "unavailable" });
      await verifier.verify(token);
    });
  });
}

test("without keys and with the issuer unavailable, tokens are unavailable, and requests are rate-limited", async () => {
  await withIssuer(async (issuer) => {
    issuer.answer = "error";
    const token = await tokenOf(issuer.url, "one", await issuer.addKey("one"));
    const verifier = verifierOf(issuer.url, { retryMs: 60_000 });
    for (let index = 0; index < 10; index += 1) await assert.rejects(verifier.verify(token), { code: "unavailable" });
    assert.equal(issuer.fetches, 1);
  });
});

test("an issuer that recovers is asked again, and its tokens are accepted", async () => {
  await withIssuer(async (issuer) => {
    issuer.answer = "error";
    const token = await tokenOf(issuer.url, "one", await issuer.addKey("one"));
    const verifier = verifierOf(issuer.url, { retryMs: 20 });
    await assert.rejects(verifier.verify(token), { code: "unavailable" });
    issuer.answer = "keys";
    const { principal } = await until("the token is accepted", () => verifier.verify(token));
    assert.equal(principal.kind, "user");
  });
});

test("a withdrawn key is dropped even if no new key is requested", async () => {
  await withIssuer(async (issuer) => {
    const token = await tokenOf(issuer.url, "one", await issuer.addKey("one"));
    const verifier = verifierOf(issuer.url, { maxAgeMs: 10, cooldownMs: 0 });
    await verifier.verify(token);
    issuer.removeKey("one");
    const refusal = await until("the token is refused", () =>
      verifier.verify(token).then(
        () => null,
        (error: unknown) => error,
      ),
    );
    assert.equal((refusal as { code?: string }).code, "unauthenticated");
  });
});

test.run();
