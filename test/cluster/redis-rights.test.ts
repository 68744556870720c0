import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { equal, is, match, ok } from "uvu/assert";
import { checkRedis } from "../../hub/redis/checks.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { aclRules, neededCommands } from "../../hub/redis/rights.ts";
import { withHub } from "../support/hub.ts";
import { type RedisServer, withRedis, withRedisCluster } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the hub's rights in Redis");
/** Two tests start a client once for each of some eighty rights. */
const LIMIT_MS = 240_000;
const ROOT = join(import.meta.dirname, "..", "..");
const log = pino({ level: "silent" });
const keys = new KeySpace("rights00");
const SINGLE = { clustered: false, db: 0, keys };
/** A separate user: a right that `hub` is denied would fail every test. */
const urlOf = ({ openUrl }: Pick<RedisServer, "openUrl">) => openUrl.replace("//", "//tried:pw@");

const redisTest = (behaviour: string, body: () => Promise<void>) =>
  test.needing("redis-server")(behaviour, body, LIMIT_MS);

/** The result of a start with these rules: empty, or the reason of the refusal. */
async function startWith(server: RedisServer, rules: string, url = urlOf(server)): Promise<string> {
  await server.admin.call("ACL", "SETUSER", "tried", "reset", "on", ">pw", ...rules.split(" "));
  return start(url);
}

async function start(url: string): Promise<string> {
  try {
    const redis = await RedisConnection.open({ url, keys, log });
    try {
      await checkRedis(redis, log);
    } finally {
      await redis.close();
    }
    return "";
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "ConfigError") throw error;
    return error.message;
  }
}

/** The command that a refusal names, in Redis' spelling. */
function remedyOf(refusal: string): string[] {
  const [, line = ""] = /`(ACL SETUSER [^`]+)`/.exec(refusal) ?? [];
  return line.split(" ");
}

function issued(folder: string, ending: string, pattern: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending) && !/rights(-check)?\.ts$/.test(file) && !file.endsWith("probe.lua"))
    .flatMap((file) => [...readFileSync(join(ROOT, folder, file), "utf8").matchAll(pattern)])
    .map(([, command = ""]) => command.toLowerCase());
}

test("are for the commands that the hub's sources issue, and for no others", () => {
  const inScripts = issued("hub", ".lua", /redis\.p?call\('([A-Z]+)'/g);
  const direct = issued("hub", ".ts", /\.(?:command|everywhere)\("([A-Z]+)"/g);
  // Issued by client libraries: scripts, subscriptions, and the command with which Socket.IO's adapter counts nodes.
  const others = ["eval", "evalsha", "ssubscribe", "sunsubscribe", "pubsub|shardnumsub"];
  ok(inScripts.length > 20 && direct.length > 3);
  equal(neededCommands(SINGLE).sort(), [...new Set([...inScripts, ...direct, ...others])].sort());
});

test("are in docs/deploy.md as the line that grants them", () => {
  const page = readFileSync(join(ROOT, "docs", "deploy.md"), "utf8");
  const documented = new KeySpace("k3v9x0qa");
  ok(page.includes(`ACL SETUSER hub on >password ${aclRules({ ...SINGLE, keys: documented })}`));
  const more = aclRules({ clustered: true, db: 1, keys: documented })
    .split(" ")
    .filter(
      (rule) =>
        !aclRules({ ...SINGLE, keys: documented })
          .split(" ")
          .includes(rule),
    );
  for (const rule of more) ok(page.includes(`\`${rule}\``), rule);
});

redisTest("suffice as documented, alone, with a numbered database, and in a cluster", async () => {
  await withRedis(async (server) => {
    is(await startWith(server, aclRules(SINGLE)), "");
    is(await startWith(server, aclRules({ ...SINGLE, db: 3 }), `${urlOf(server)}/3`), "");
    match(await startWith(server, aclRules(SINGLE), `${urlOf(server)}/3`), /lacks the command select/);
  });
  await withRedisCluster(async ({ servers }) => {
    for (const { admin } of servers) {
      await admin.call("ACL", "SETUSER", "tried", "on", ">pw", ...aclRules({ ...SINGLE, clustered: true }).split(" "));
    }
    const [first, second] = servers;
    if (!first || !second) throw new Error("too few nodes");
    is(await start(urlOf(first)), "");
    await second.admin.call("ACL", "SETUSER", "tried", "resetchannels", "-xadd");
    const refusal = await start(urlOf(first));
    match(refusal, /lacks the channels mr:rights00:\*, the command xadd.*on every node/);
  });
});

redisTest("without channels are refused at the start, with the line that grants them", () =>
  withRedis(async (server) => {
    const refusal = await startWith(server, "+@all ~*");
    match(
      refusal,
      /REDIS_URL: its user tried lacks the channels mr:rights00:\*\. In Redis, run `ACL SETUSER tried &mr:rights00:\*`/,
    );
    await server.admin.call(...(remedyOf(refusal) as [string, ...string[]]));
    is(await start(urlOf(server)), "");
  }),
);

redisTest("are all named if one user lacks several", () =>
  withRedis(async (server) => {
    const refusal = await startWith(server, "~mr:rights00:* ~mr:program -@all +@all -hset -xadd -pubsub|shardnumsub");
    match(
      refusal,
      /lacks the channels mr:rights00:\*, the command hset, the command xadd, the command pubsub\|shardnumsub\./,
    );
  }),
);

redisTest("are refused for lack of any single one", () =>
  withRedis(async (server) => {
    const rules = aclRules(SINGLE);
    for (const command of neededCommands(SINGLE)) {
      match(await startWith(server, `${rules} -${command}`), `command ${command}`);
    }
    for (const command of ["set", "persist", "pexpire"]) {
      match(await startWith(server, `${rules} -${command} -del`), /the command del/);
    }
    await until("no key is left", async () => (await server.admin.keys("mr:rights00:*")).length === 0);
    const others = "~mr:other:* ~mr:program &mr:*";
    match(await startWith(server, `${others} +@all`), /lacks the keys mr:rights00:\*/);
    match(await startWith(server, "~mr:rights00:* &mr:* +@all"), /lacks the key mr:program/);
  }),
);

redisTest("are refused for lack of any single one on one node of a cluster", () =>
  withRedisCluster(async ({ servers }) => {
    const [first, second] = servers;
    if (!first || !second) throw new Error("too few nodes");
    const cluster = { ...SINGLE, clustered: true };
    for (const { admin } of servers) {
      await admin.call("ACL", "SETUSER", "tried", "on", ">pw", ...aclRules(cluster).split(" "));
    }
    for (const command of neededCommands(cluster)) {
      await second.admin.call("ACL", "SETUSER", "tried", `-${command}`);
      const refusal = await start(urlOf(first));
      match(refusal, `command ${command}`);
      match(refusal, "on every node");
      await second.admin.call("ACL", "SETUSER", "tried", `+${command}`);
    }
    is(await start(urlOf(first)), "");
    for (const { admin } of servers) await admin.call("ACL", "SETUSER", "tried", "resetkeys", "~mr:rights00:*");
    match(await start(urlOf(first)), /lacks the key mr:program/);
  }),
);

redisTest("taken away while the hub runs make it not ready, and are never reported as an unreachable Redis", () =>
  withRedis(async (server) => {
    const lines: string[] = [];
    const listening = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
    const { admin } = server;
    await admin.call("ACL", "SETUSER", "tried", "on", ">pw", "+@all", "~*", "&*");
    await withHub({ env: { REDIS_URL: urlOf(server) }, log: listening }, async (hub) => {
      const readiness = async () => {
        const response = await fetch(`${hub.url}/readyz`);
        return { status: response.status, text: await response.text() };
      };
      const client = await hub.connect(hub.serviceToken);
      const publish = () => client.request("publish", { channel: hub.taskChannel, type: "note", payload: null });
      await client.request("subscribe", { channel: hub.taskChannel });
      await publish();
      is((await readiness()).status, 200);
      for (const rule of ["resetchannels", "-xadd", "resetkeys", "-evalsha"]) {
        await admin.call("ACL", "SETUSER", "tried", rule);
        const { text } = await until(`${rule} makes it not ready`, async () => {
          await publish().catch(() => undefined);
          const now = await readiness();
          return now.status === 503 ? now : null;
        });
        match(text, /denies the hub's user a command, key or channel/);
        const error = await publish().then(
          () => null,
          (reason: { code: string; message: string }) => reason,
        );
        is(error?.code, "unavailable", rule);
        match(error?.message ?? "", /denies the hub's user/);
        await admin.call("ACL", "SETUSER", "tried", "+@all", "~*", "&*");
        await until("it is ready again", async () => (await readiness()).status === 200, 20_000);
        await until("it publishes", () => publish().catch(() => null));
      }
    });
    const log = lines.join("");
    match(log, /NOPERM|ERR The user executing the script/);
    match(log, /Grant what is missing by `ACL SETUSER`/);
    ok(!/can't be reached|does not answer/.test(log), log);
  }),
);

test.run();
