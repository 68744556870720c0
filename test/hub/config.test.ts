import assert from "node:assert/strict";
import { resolve } from "node:path";
import { getHeapStatistics } from "node:v8";
import { ConfigError, DEFAULTS, type Environment, loadConfig } from "../../hub/config/config.ts";
import { warningsOf } from "../../hub/process/start-warnings.ts";
import { suite } from "../support/suite.ts";

const test = suite("configuration");

const ISSUER = { MONSTER_AUTH_ISSUER: "https://auth.example.com" };
const PRODUCTION = { NODE_ENV: "production", DATABASE_URL: "postgres://hub@db/hub" };
const DIGEST = "a".repeat(64);
const ORG = `org_${"0".repeat(26)}`;
const services = (change: object) =>
  JSON.stringify([{ name: "backend", sha256: DIGEST, organizations: "*", ...change }]);

function errorOf(env: Environment): ConfigError {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error;
  }
  return assert.fail("the configuration was accepted");
}

test("with nothing set, the hub runs in development mode on loopback with the embedded database", () => {
  const config = loadConfig({});
  assert.equal(config.development, true);
  assert.equal(config.host, "127.0.0.1");
  assert.equal(config.port, 4_000);
  assert.equal(config.dataDir, resolve("data"));
  assert.equal(config.database.url, null);
  assert.deepEqual(config.auth, {
    issuer: null,
    audiences: [],
    introspectionUrl: null,
    personalTokenCacheMs: 10_000,
    serviceTokens: [],
    rightsCacheMs: 5_000,
  });
  assert.deepEqual(config.history.entity, { size: 1_000, ttlMs: 3_600_000 });
  assert.deepEqual(config.history.project, { size: 200, ttlMs: 600_000 });
  assert.equal(config.presence.graceMs, DEFAULTS.PRESENCE_GRACE_MS);
});

test("with an issuer, the hub leaves development mode and listens everywhere", () => {
  const config = loadConfig({ ...ISSUER, MONSTER_AUTH_AUDIENCES: "web, cli", ...PRODUCTION });
  assert.equal(config.development, false);
  assert.equal(config.host, "0.0.0.0");
  assert.equal(config.auth.issuer, "https://auth.example.com");
  assert.deepEqual(config.auth.audiences, ["web", "cli"]);
});

test("every value reaches its place", () => {
  const config = loadConfig({
    ...ISSUER,
    PORT: "0",
    HOST: "::1",
    DATABASE_URL: "postgres://hub:secret@db/hub",
    DATA_DIR: "/var/lib/hub",
    DEVELOPMENT: "on",
    SERVICE_TOKENS: services({ organizations: [ORG] }),
    ALLOWED_ORIGINS: "https://app.example.com,http://localhost:3000",
    LOG_LEVEL: "debug",
    TRUST_PROXY: "1",
    PRESENCE_GRACE_MS: "0",
    RIGHTS_CACHE_MS: "1000",
    CHANNELS_PER_CONNECTION: "7",
  });
  assert.deepEqual([config.port, config.host, config.dataDir, config.development], [0, "::1", "/var/lib/hub", true]);
  assert.equal(config.database.url, "postgres://hub:secret@db/hub");
  assert.deepEqual(config.auth.serviceTokens, [{ name: "backend", sha256: DIGEST, organizations: [ORG] }]);
  assert.deepEqual(config.allowedOrigins, ["https://app.example.com", "http://localhost:3000"]);
  assert.deepEqual([config.logLevel, config.trustProxy, config.presence.graceMs], ["debug", 1, 0]);
  assert.equal(config.limits.channelsPerConnection, 7);
  assert.ok(config.times.rightsCheckMs + config.auth.rightsCacheMs / 2 <= config.auth.rightsCacheMs);
});

test("DATABASE_URL=embedded asks for the embedded database, in production too", () => {
  assert.equal(loadConfig({ DATABASE_URL: "embedded" }).database.url, null);
  const config = loadConfig({ ...ISSUER, ...PRODUCTION, DATABASE_URL: "embedded" });
  assert.deepEqual([config.production, config.database.url], [true, null]);
});

const SAFE = { ...PRODUCTION, ...ISSUER, MONSTER_AUTH_AUDIENCES: "web", METRICS_TOKEN: "0123456789abcdef" };
const REDIS = { REDIS_URL: "redis://localhost" };
const warned: [name: string, env: Environment, expected: RegExp[]][] = [
  ["development", {}, []],
  ["development that asks for the embedded database", { DATABASE_URL: "embedded" }, []],
  ["production with everything set", SAFE, []],
  ["production with Redis", { ...SAFE, ...REDIS }, []],
  [
    "production on the embedded database",
    { ...SAFE, DATABASE_URL: "embedded", DATA_DIR: "/d" },
    [/in \/d\/postgres\..*backup is a copy of \/d .*pg_dump.*Set DATABASE_URL/],
  ],
  ["an issuer on the embedded database", ISSUER, [/backup/]],
  [
    "Redis beside the embedded database",
    { ...SAFE, ...REDIS, DATABASE_URL: "embedded" },
    [/backup/, /hubs on other hosts/],
  ],
  ["development mode in production", { ...SAFE, DEVELOPMENT: "on" }, [/development issuer open this hub/]],
  ["metrics for all clients", { ...SAFE, METRICS_TOKEN: undefined }, [/Set METRICS_TOKEN or METRICS_PORT/]],
  ["metrics on a separate port", { ...SAFE, METRICS_TOKEN: undefined, METRICS_PORT: "9100" }, []],
  ["no audience", { ...SAFE, MONSTER_AUTH_AUDIENCES: undefined }, [/Set MONSTER_AUTH_AUDIENCES/]],
];
for (const [name, env, expected] of warned) {
  test(`the start warns of probably unintended settings: ${name}`, () => {
    const warnings = warningsOf(loadConfig(env));
    assert.equal(warnings.length, expected.length, warnings.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(warnings[index] ?? "", pattern);
  });
}

test("a digest with a final newline is accepted", () => {
  const { auth } = loadConfig({ SERVICE_TOKENS: services({ sha256: ` ${DIGEST}\n` }) });
  assert.equal(auth.serviceTokens[0]?.sha256, DIGEST);
});

test("metrics are on the hub's port, on one of loopback, or on an address that is set", () => {
  const token = "0123456789abcdef";
  assert.deepEqual(loadConfig({}).metrics, { address: null, token: null });
  assert.deepEqual(loadConfig({ METRICS_PORT: "9100" }).metrics.address, { host: "127.0.0.1", port: 9_100 });
  assert.deepEqual(loadConfig({ METRICS_PORT: "9100", METRICS_HOST: "::", METRICS_TOKEN: token }).metrics, {
    address: { host: "::", port: 9_100 },
    token,
  });
});

test("a base path has no slash at its end, and the root is empty", () => {
  const given = [{}, { BASE_PATH: "/" }, { BASE_PATH: "/realtime" }, { BASE_PATH: "/a/b.c/" }];
  assert.deepEqual(
    given.map((env) => loadConfig(env).basePath),
    ["", "", "/realtime", "/a/b.c"],
  );
});

test("cluster mode takes a Redis, or the hosts of a cluster, for one process or for several", () => {
  assert.deepEqual(
    [loadConfig({}).redis, loadConfig({}).processes, loadConfig({}).presence.leaseMs],
    [null, 1, 15_000],
  );
  const url = "rediss://hub:hunter2@one:6380,two:6381";
  const { redis, processes, presence } = loadConfig({ REDIS_URL: url, WEB_CONCURRENCY: "64", NODE_LEASE_MS: "3000" });
  assert.deepEqual([redis, processes, presence.leaseMs], [{ url }, 64, 3_000]);
  assert.equal(loadConfig({ REDIS_URL: "redis://localhost/1" }).processes, 1);
});

test("the configuration is deeply frozen", () => {
  const { limits, auth } = loadConfig({ SERVICE_TOKENS: services({}) });
  assert.throws(() => Object.assign(limits, { messageBytes: 1 }), TypeError);
  assert.throws(() => Object.assign(auth.serviceTokens[0] ?? {}, { organizations: [] }), TypeError);
});

/** Environment → the variable of the fault, and its problem and remedy. */
const wrong: [env: Environment, variable: string, expected: RegExp][] = [
  [{ PORT: "http" }, "PORT", /"http" is not a whole number\. Set a whole number of 0 to 65535/],
  [{ PORT: "65536" }, "PORT", /65536 is too large/],
  [{ PORT: "-1" }, "PORT", /"-1" is not a whole number/],
  [{ PORT: "4e3" }, "PORT", /not a whole number/],
  [{ PORT: "" }, "PORT", /set but empty\. Give it a value or unset it/],
  [{ HISTORY_SIZE: "0" }, "HISTORY_SIZE", /0 is too small\. Set a whole number of 1 to/],
  [{ HISTORY_SIZE: "99999999999999999999" }, "HISTORY_SIZE", /not a whole number/],
  [{ PRESENCE_GRACE_MS: "-1" }, "PRESENCE_GRACE_MS", /not a whole number/],
  [{ PRESENCE_GRACE_MS: "1.5" }, "PRESENCE_GRACE_MS", /not a whole number/],
  [{ RIGHTS_CACHE_MS: "5001" }, "RIGHTS_CACHE_MS", /too large.* to 5000 \(milliseconds\)/],
  [{ TRUST_PROXY: "true" }, "TRUST_PROXY", /proxies in front/],
  [{ METRICS_HOST: "0.0.0.0" }, "METRICS_HOST", /METRICS_PORT is not\. Set METRICS_PORT/],
  [{ METRICS_HOST: "a b", METRICS_PORT: "9100" }, "METRICS_HOST", /neither an address nor a name/],
  [{ METRICS_PORT: "4000" }, "METRICS_PORT", /4000 is PORT, the hub's own\. Set another port/],
  [{ PORT: "9100", METRICS_PORT: "9100", METRICS_HOST: "::1" }, "METRICS_PORT", /the hub's own/],
  [{ METRICS_TOKEN: "short" }, "METRICS_TOKEN", /16 to 512 printable characters/],
  [{ METRICS_TOKEN: "two words are no token" }, "METRICS_TOKEN", /without a space/],
  [{ BASE_PATH: "realtime" }, "BASE_PATH", /"realtime" is not the path of an address\. Set one such as \/realtime/],
  [{ BASE_PATH: "//" }, "BASE_PATH", /not the path/],
  [{ BASE_PATH: "/a//b" }, "BASE_PATH", /not the path/],
  [{ BASE_PATH: "/../a" }, "BASE_PATH", /not the path/],
  [{ BASE_PATH: "/a?b" }, "BASE_PATH", /not the path/],
  [{ BASE_PATH: "/a%2Fb" }, "BASE_PATH", /not the path/],
  [{ BASE_PATH: "https://hub.example.com/realtime" }, "BASE_PATH", /not the path/],
  [{ HOST: "a b" }, "HOST", /neither an address nor a name.*127\.0\.0\.1/],
  [{ HOST: "localhost:4000" }, "HOST", /without port/],
  [{ HOST: "0.0.0.0" }, "HOST", /reachable from other machines.*HOST=127\.0\.0\.1/],
  [{ HOST: "127.evil.example" }, "HOST", /reachable from other machines/],
  [{ ...ISSUER, DEVELOPMENT: "on", HOST: "10.0.0.1" }, "HOST", /reachable from other machines/],
  [{ DEVELOPMENT: "true" }, "DEVELOPMENT", /neither "on" nor "off"/],
  [{ DEVELOPMENT: "off" }, "MONSTER_AUTH_ISSUER", /not set.*DEVELOPMENT=on/],
  [{ NODE_ENV: "production" }, "MONSTER_AUTH_ISSUER", /not set.*DEVELOPMENT=on/],
  [
    { ...ISSUER, NODE_ENV: "production" },
    "DATABASE_URL",
    /is not set, and NODE_ENV is production: .*lost.*\. Set postgres:\/\/.*, or DATABASE_URL=embedded/,
  ],
  [{ ...ISSUER, NODE_ENV: "production", DATABASE_URL: "" }, "DATABASE_URL", /set but empty/],
  [{ NODE_ENV: "Production" }, "NODE_ENV", /"Production" is not "production".*Set NODE_ENV=production/],
  [{ ...ISSUER, NODE_ENV: "prod" }, "NODE_ENV", /"prod" is not "production".*defaults of development/],
  [{ MONSTER_AUTH_ISSUER: "auth.example.com" }, "MONSTER_AUTH_ISSUER", /not a URL.*https/],
  [{ MONSTER_AUTH_ISSUER: "http://auth.example.com" }, "MONSTER_AUTH_ISSUER", /http on another machine.*https/],
  [{ MONSTER_AUTH_ISSUER: "ftp://auth.example.com" }, "MONSTER_AUTH_ISSUER", /not an https address/],
  [{ MONSTER_AUTH_ISSUER: "https://a:b@auth.example.com" }, "MONSTER_AUTH_ISSUER", /user name or password/],
  [{ MONSTER_AUTH_ISSUER: "https://auth.example.com/?x" }, "MONSTER_AUTH_ISSUER", /query or a fragment/],
  [{ ...ISSUER, MONSTER_AUTH_AUDIENCES: "web,,cli" }, "MONSTER_AUTH_AUDIENCES", /empty part/],
  [{ DATABASE_URL: "localhost" }, "DATABASE_URL", /not a URL.*postgres:\/\/.*or embedded for the embedded database/],
  [{ DATABASE_DIRECT_URL: "embedded" }, "DATABASE_DIRECT_URL", /not a URL.*or unset it/],
  [{ DATABASE_URL: "mysql://localhost/hub" }, "DATABASE_URL", /does not begin with postgres:\/\//],
  [{ REDIS_URL: "localhost" }, "REDIS_URL", /is not the address of a Redis.*redis:\/\//],
  [{ REDIS_URL: "http://localhost" }, "REDIS_URL", /is not the address of a Redis.*rediss:\/\/ for TLS/],
  [{ REDIS_URL: "redis://one,two:99999" }, "REDIS_URL", /not a host and port/],
  [{ REDIS_URL: " " }, "REDIS_URL", /set but empty/],
  [{ MONSTER_AUTH_INTROSPECTION_URL: "x" }, "MONSTER_AUTH_INTROSPECTION_URL", /not a URL/],
  [
    { MONSTER_AUTH_INTROSPECTION_URL: "http://auth.example/introspect", MONSTER_AUTH_ISSUER: "https://auth.example" },
    "MONSTER_AUTH_INTROSPECTION_URL",
    /not an https address/,
  ],
  [
    { MONSTER_AUTH_INTROSPECTION_URL: "https://auth.example/introspect" },
    "MONSTER_AUTH_INTROSPECTION_URL",
    /MONSTER_AUTH_ISSUER is not/,
  ],
  [{ NODE_LEASE_MS: "2999" }, "NODE_LEASE_MS", /2999 is too small\. Set a whole number of 3000 to/],
  [{ NODE_LEASE_SECONDS: "15" }, "NODE_LEASE_SECONDS", /Did you mean NODE_LEASE_MS\?/],
  [{ WEB_CONCURRENCY: "0" }, "WEB_CONCURRENCY", /0 is too small\. Set a whole number of 1 to 64 \(processes\)/],
  [{ WEB_CONCURRENCY: "65", REDIS_URL: "redis://localhost" }, "WEB_CONCURRENCY", /65 is too large/],
  [{ WEB_CONCURRENCY: "2" }, "WEB_CONCURRENCY", /REDIS_URL is not set.*Set REDIS_URL.*or WEB_CONCURRENCY=1/],
  [{ ALLOWED_ORIGINS: "*" }, "ALLOWED_ORIGINS", /would let every page in.*List origins/],
  [{ ALLOWED_ORIGINS: "https://app.example.com/" }, "ALLOWED_ORIGINS", /not an origin.*final slash/],
  [{ ALLOWED_ORIGINS: "null" }, "ALLOWED_ORIGINS", /not an origin/],
  [{ LOG_LEVEL: "loud" }, "LOG_LEVEL", /"loud" is not a level. Set one of fatal, error/],
  [{ SERVICE_TOKENS: "svc_secret" }, "SERVICE_TOKENS", /not JSON\. Set JSON such as/],
  [{ SERVICE_TOKENS: "{}" }, "SERVICE_TOKENS", /Set JSON such as/],
  [{ SERVICE_TOKENS: services({ sha256: "svc_secret" }) }, "SERVICE_TOKENS", /at 0\.sha256: must be the SHA-256/],
  [{ SERVICE_TOKENS: services({ name: "A B" }) }, "SERVICE_TOKENS", /at 0\.name: must be/],
  [{ SERVICE_TOKENS: services({ name: "hub" }) }, "SERVICE_TOKENS", /at 0\.name: names the hub itself/],
  [{ SERVICE_TOKENS: services({ organizations: [] }) }, "SERVICE_TOKENS", /at 0\.organizations/],
  [{ SERVICE_TOKENS: services({ organizations: ["acme"] }) }, "SERVICE_TOKENS", /at 0\.organizations/],
  [{ SERVICE_TOKENS: services({ svc_secret: 1 }) }, "SERVICE_TOKENS", /a field besides name/],
  [
    { SERVICE_TOKENS: JSON.stringify([...JSON.parse(services({})), ...JSON.parse(services({ name: "b" }))]) },
    "SERVICE_TOKENS",
    /one digest twice/,
  ],
  [{ PING_TIMEOUT_MS: "20000" }, "PING_TIMEOUT_MS", /more than PING_INTERVAL_MS/],
  [{ REQUEST_TIMEOUT_MS: "1000" }, "DATABASE_TIMEOUT_MS", /more than REQUEST_TIMEOUT_MS/],
  [{ MESSAGE_BYTES: "2097152" }, "MESSAGE_BYTES", /more than RPC_BYTES/],
  [{ RECOVERY_BYTES: "1024" }, "MESSAGE_BYTES", /could not be recovered/],
  [{ OUTBOUND_BYTES: "2048" }, "MESSAGE_BYTES", /could not be delivered/],
  [{ REQUESTS_PER_SECOND: "50" }, "PUBLISHES_PER_SECOND", /a publish is a request too/],
  [{ POSITION_TTL_MS: "1000" }, "HISTORY_TTL_MS", /outlive the position/],
  [{ PRESENCE_GRACE: "1" }, "PRESENCE_GRACE", /no variable of the hub\. Did you mean PRESENCE_GRACE_MS\?/],
  [{ MESAGE_BYTES: "1" }, "MESAGE_BYTES", /Did you mean MESSAGE_BYTES\?/],
  [{ MONSTER_AUTH_URL: "x" }, "MONSTER_AUTH_URL", /no variable of the hub/],
  [{ DATABASEURL: "x" }, "DATABASEURL", /Did you mean DATABASE_URL\?/],
];
for (const [env, variable, expected] of wrong) {
  test(`${JSON.stringify(env).slice(0, 90)} is rejected with the fault and its remedy`, () => {
    const { faults, message } = errorOf(env);
    const line = message.split("\n").find((candidate) => candidate.startsWith(`  ${variable}: `)) ?? "";
    assert.match(line, expected, message);
    assert.ok(faults.every(({ problem, remedy }) => problem !== "" && remedy !== ""));
    assert.doesNotMatch(message, /svc_secret/);
  });
}

test("all faults are reported at once, a line each", () => {
  const { faults, message } = errorOf({ PORT: "x", HISTORY_SIZE: "0", LOG_LEVEL: "loud", REDIS_URL: "x" });
  assert.deepEqual(
    new Set(faults.map(({ variable }) => variable)),
    new Set(["PORT", "HISTORY_SIZE", "LOG_LEVEL", "REDIS_URL"]),
  );
  assert.equal(message.split("\n").length, 5);
});

test("a password of the database or of Redis is in no message", () => {
  assert.doesNotMatch(errorOf({ DATABASE_URL: "mysql://hub:hunter2@db/hub" }).message, /hunter2/);
  for (const url of ["redis:/hub:hunter2@one", "redis://hub:hunter2@one:99999", "redis://hub:hunter2%@one"]) {
    assert.doesNotMatch(errorOf({ REDIS_URL: url }).message, /hunter2/);
  }
});

test("unrelated variables are ignored", () => {
  const others = {
    HOME: "/root",
    PATH: "/bin",
    NODE_OPTIONS: "--enable-source-maps",
    NODE_V8_COVERAGE: "coverage",
    npm_config_loglevel: "warn",
    PRESENCE_SERVICE_HOST: "10.0.0.1",
    PRESENCE_PORT_80_TCP: "tcp://10.0.0.1:80",
    TEST_POSTGRES: "{}",
    POSTGRES_URL: undefined,
  };
  assert.ok(loadConfig(others));
});

test("history has a budget: a quarter of the heap, with Redis a fixed one, and a quarter of it for an organization", () => {
  const alone = loadConfig({}).history.budget;
  assert.equal(alone.maxBytes, Math.floor(getHeapStatistics().heap_size_limit / 4));
  assert.equal(alone.maxBytesPerOrganization, Math.floor(alone.maxBytes / 4));
  assert.equal(loadConfig(REDIS).history.budget.maxBytes, 256 * 1_024 * 1_024);
  const set = loadConfig({ HISTORY_BYTES: "8388608", HISTORY_BYTES_PER_ORGANIZATION: "1048576" }).history.budget;
  assert.deepEqual(set, { maxBytes: 8_388_608, maxBytesPerOrganization: 1_048_576 });
});

test("a history budget that is too small for an organization's publications is rejected", () => {
  const tooLarge = errorOf({ HISTORY_BYTES: "1048576", HISTORY_BYTES_PER_ORGANIZATION: "2097152" });
  assert.match(tooLarge.message, /HISTORY_BYTES_PER_ORGANIZATION: 2097152 is more than .*raise HISTORY_BYTES/);
  assert.match(errorOf({ HISTORY_BYTES: "262144" }).message, /HISTORY_BYTES: .*MESSAGE_BYTES/);
});

test.run();
