import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DevelopmentIssuer } from "../../hub/auth/development-issuer.ts";
import { TokenVerifier } from "../../hub/auth/tokens.ts";
import { suite } from "../support/suite.ts";
import { directoryOf, TokenRows } from "./known-tokens.ts";

const test = suite("development issuer");

async function withDataDir(body: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "development-issuer-"));
  try {
    await body(dataDir);
  } finally {
    await rm(dataDir, { recursive: true });
  }
}

const verifierOf = (issuer: DevelopmentIssuer, rows = new TokenRows()) =>
  new TokenVerifier({ directory: directoryOf(rows), issuers: [issuer], services: [] });

test("its tokens pass the checks of Monster Auth's tokens", async () => {
  await withDataDir(async (dataDir) => {
    const issuer = await DevelopmentIssuer.open(dataDir);
    const rows = new TokenRows();
    const token = await issuer.mint({ subject: "dev", email: "dev@example.com", name: "Dev" });
    const { principal, expiresAt } = await verifierOf(issuer, rows).verify(token);
    assert.deepEqual(principal, { kind: "user", id: "user_of_dev", clientIds: null, provenAddress: "dev@example.com" });
    assert.ok(expiresAt !== null && expiresAt > Date.now());
    assert.deepEqual(rows.users.get("dev"), {
      subject: "dev",
      email: "dev@example.com",
      emailVerified: true,
      name: "Dev",
    });
    const bound = await issuer.mint({ subject: "dev", audience: "partner" });
    assert.deepEqual((await verifierOf(issuer).verify(bound)).principal, {
      kind: "user",
      id: "user_of_dev",
      clientIds: ["partner"],
    });
    const late = await issuer.mint({ subject: "dev", ttlSeconds: -60 });
    await assert.rejects(verifierOf(issuer).verify(late), { code: "token_expired" });
  });
});

test("its key persists, readable only by its owner", async () => {
  await withDataDir(async (dataDir) => {
    const nested = join(dataDir, "not", "there", "yet");
    const token = await (await DevelopmentIssuer.open(nested)).mint({ subject: "dev" });
    await verifierOf(await DevelopmentIssuer.open(nested)).verify(token);
    const [file = "", ...others] = await readdir(nested);
    assert.deepEqual(others, []);
    assert.equal((await stat(join(nested, file))).mode & 0o777, 0o600);
  });
});

test("two issuers that start at the same time have one key", async () => {
  await withDataDir(async (dataDir) => {
    const issuers = await Promise.all(Array.from({ length: 8 }, () => DevelopmentIssuer.open(dataDir)));
    const tokens = await Promise.all(issuers.map((issuer) => issuer.mint({ subject: "dev" })));
    for (const issuer of issuers) await Promise.all(tokens.map((token) => verifierOf(issuer).verify(token)));
  });
});

test("tokens of another development issuer are rejected", async () => {
  await withDataDir(async (dataDir) => {
    const issuer = await DevelopmentIssuer.open(join(dataDir, "one"));
    const token = await (await DevelopmentIssuer.open(join(dataDir, "two"))).mint({ subject: "dev" });
    await assert.rejects(verifierOf(issuer).verify(token), { code: "unauthenticated" });
  });
});

test("an invalid key file is left unchanged, and the error names the file and the remedy", async () => {
  await withDataDir(async (dataDir) => {
    await DevelopmentIssuer.open(dataDir);
    const file = join(dataDir, "development-issuer.json");
    for (const broken of ["", "{}", "not JSON"]) {
      await writeFile(file, broken);
      await assert.rejects(DevelopmentIssuer.open(dataDir), /development-issuer\.json .* Delete it/);
      assert.equal(await readFile(file, "utf8"), broken);
    }
  });
});

test.run();
