import { equal, is, match, ok } from "uvu/assert";
import { withDatabase } from "../support/database.ts";
import { HubProcess, withFolder } from "../support/faults.ts";
import { withPgBouncer } from "../support/pgbouncer.ts";
import { RedisServer } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { Deployment, faultNaming, faultOf, ready } from "./support/deployment.ts";
import { isReady } from "./support/ready-proxy.ts";
import { silentProxyTo } from "./support/silent-proxy.ts";

const test = suite("hubs of several kinds on one database");
const LIMIT_MS = 120_000;

test(
  "a holder without a database connection keeps its clients, is succeeded within seconds, and ends when it detects that",
  () =>
    Deployment.with(async (deployment) => {
      const proxy = await silentProxyTo(deployment.info);
      try {
        const first = await deployment.start({ DATABASE_URL: proxy.url });
        const machine = await deployment.workstation();
        const second = await deployment.launch();
        await until("the second requests a hand-over or serves", async () => (await faultOf(second)) !== null, 60_000);
        proxy.swallow();
        const cutAt = performance.now();
        await ready(second);
        ok(performance.now() - cutAt < 10_000, "within ten seconds");
        is(first.process.ended, false);
        ok(!(await isReady(first.port)), "not ready while cut off");
        proxy.heal();
        is(await first.process.exited, 0, first.process.output);
        await machine.client.connect();
        is(await deployment.timesOffline(), 0);
      } finally {
        proxy.close();
      }
    }),
  LIMIT_MS,
);

test(
  "a hub whose sessions the database ends gets its lock again, keeps its clients and continues to publish",
  () =>
    Deployment.with(async (deployment) => {
      const hub = await deployment.start();
      const machine = await deployment.workstation();
      const watcher = await deployment.watcher();
      await deployment.database.query(
        (sql) => sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      );
      let changes = 0;
      const last = deployment.changeUntil(() => ++changes > 20);
      const { state } = machine.client;
      await until("all changes have arrived", async () => watcher.known === (await last), 20_000);
      equal(watcher.holes, []);
      is(machine.client.state.name, "connected");
      is(machine.client.state, state, "the same connection");
      await ready(hub);
      is(await deployment.timesOffline(), 0);
    }),
  LIMIT_MS,
);

const withRedis = test.needing("redis-server");

withRedis(
  "a hub without Redis beside one with Redis is rejected until that ends; one with Redis takes over from one without",
  () =>
    Deployment.with(async (deployment) => {
      const redis = await RedisServer.start();
      try {
        const alone = await deployment.start();
        const shared = await deployment.start({ REDIS_URL: redis.url });
        is(await alone.process.exited, 0, alone.process.output);
        const beside = await deployment.start({ REDIS_URL: redis.url });
        const refused = await deployment.launch();
        await faultNaming(refused, "hubs with Redis serve this database", "REDIS_URL");
        ok((await isReady(shared.port)) && (await isReady(beside.port)));
        for (const { process } of [shared, beside]) {
          process.kill("SIGTERM");
          await process.exited;
        }
        await ready(refused);
      } finally {
        await redis.stop();
      }
    }),
  LIMIT_MS,
);

test(
  "a waiting hub ends with 0 on a signal",
  () =>
    Deployment.with(async (deployment) => {
      await deployment.start();
      await deployment.start();
      const waits = await deployment.launch();
      await faultNaming(waits, "another hub without Redis", "REDIS_URL");
      const answer = await fetch(`http://127.0.0.1:${waits.port}/v1/rpc/tasks.get`, { method: "POST", body: "{}" });
      is(answer.status, 503);
      is(((await answer.json()) as { temporary: boolean }).temporary, true);
      waits.process.kill("SIGTERM");
      is(await waits.process.exited, 0, waits.process.output);
    }),
  LIMIT_MS,
);

/** The output of a hub that does not start. */
async function refusal(env: Record<string, string>): Promise<string> {
  let output = "";
  await withFolder(async (folder) => {
    const hub = HubProcess.spawn(folder, env);
    is(await hub.exited, 1);
    output = hub.output;
  });
  return output;
}

const urlOf = ({ user, database, socketDir }: { user: string; database: string; socketDir: string }) =>
  `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;

test.needing("pgbouncer")(
  "a pooler in transaction mode without DATABASE_DIRECT_URL is rejected at the start, with the remedy",
  () =>
    withDatabase((_, info) =>
      withPgBouncer(info, { mode: "transaction" }, async ({ connection }) => {
        const output = await refusal({ DATABASE_URL: connection.url });
        match(output, "DATABASE_URL");
        match(output, "pooler in transaction mode");
        match(output, "Set DATABASE_DIRECT_URL");
        const direct = await refusal({ DATABASE_URL: urlOf(info), DATABASE_DIRECT_URL: connection.url });
        match(direct, "DATABASE_DIRECT_URL");
        match(direct, "pooler in transaction mode");
      }),
    ),
  60_000,
);

test(
  "a DATABASE_DIRECT_URL that leads to another database is rejected at the start",
  () =>
    withDatabase((_, one) =>
      withDatabase(async (__, other) => {
        const output = await refusal({ DATABASE_URL: urlOf(one), DATABASE_DIRECT_URL: urlOf(other) });
        match(output, "leads to another database than DATABASE_URL");
      }),
    ),
  60_000,
);

test.run();
