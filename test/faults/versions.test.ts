import { join } from "node:path";
import { is, match } from "uvu/assert";

import { urlOf, withDatabase } from "../support/database.ts";
import { HubProcess, withFolder } from "../support/faults.ts";
import { type OtherVersion, withOtherVersion } from "../support/other-version.ts";
import { RawClient } from "../support/raw-client.ts";
import { type RedisServer, withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("hubs of two versions");
const LIMIT_MS = 60_000;
const LATER = "9999-later";
const MARKER = "mr:program";

interface Scene {
  redis: RedisServer;
  newer: OtherVersion;
  /** A hub of one version on the shared Redis and Postgres; it ends with them. */
  spawn(program?: string): HubProcess;
  start(program?: string): Promise<HubProcess>;
}

/** One Redis, one Postgres, and hubs of this version and of a newer one. */
function withScene(body: (scene: Scene) => Promise<void>): Promise<void> {
  return withFolder((folder) =>
    withOtherVersion((newer) =>
      withRedis((redis) =>
        withDatabase(async (_, info) => {
          const env = { DATABASE_URL: urlOf(info), REDIS_URL: redis.url };
          const hubs: HubProcess[] = [];
          const added = (hub: HubProcess) => {
            hubs.push(hub);
            return hub;
          };
          const dataDir = () => join(folder, String(hubs.length));
          try {
            await body({
              redis,
              newer,
              spawn: (program) => added(HubProcess.spawn(dataDir(), env, program)),
              start: async (program) => added(await HubProcess.start(dataDir(), env, program)),
            });
          } finally {
            await Promise.all(hubs.map((hub) => hub.stop()));
          }
        }),
      ),
    ),
  );
}

/** The output of a hub that must refuse to start. */
async function refusal(hub: HubProcess): Promise<string> {
  is(await hub.exited, 1, hub.output);
  return hub.output;
}

/** A publication on one hub is received from the other. */
async function serveTogether(one: HubProcess, other: HubProcess): Promise<void> {
  const [here, there] = [await one.development(), await other.development()];
  const channel = `workstation:${here.workstationId}`;
  const publisher = new RawClient(here.url, { token: here.serviceToken });
  const subscriber = new RawClient(there.url, { token: there.serviceToken });
  try {
    await Promise.all([publisher.welcomed(), subscriber.welcomed()]);
    await subscriber.request("subscribe", { channel });
    await publisher.request("publish", { channel, type: "note", payload: null });
    await subscriber.push("publications");
  } finally {
    publisher.close();
    subscriber.close();
  }
}

const ready = async (hub: HubProcess) => fetch(`${(await hub.development()).url}/readyz`);

const redisTest = (behaviour: string, body: () => Promise<void>) =>
  test.needing("redis-server")(behaviour, body, LIMIT_MS);

redisTest("a version with other keys in Redis refuses to start beside the older, which continues", () =>
  withScene(async ({ newer, spawn, start }) => {
    newer.change("hub/redis/marker.ts", "SCHEMA_VERSION = 3", "SCHEMA_VERSION = 4");
    const older = await start();
    const output = await refusal(spawn(newer.hub));
    match(output, /REDIS_URL/);
    match(output, /holds version 3 of the hub's keys; this hub knows version 4/);
    match(output, /Stop every hub of the other version/);
    await serveTogether(older, older);
  }),
);

redisTest("the same after Redis restarted empty and the older version has marked its keys again", () =>
  withScene(async ({ redis, newer, spawn, start }) => {
    newer.change("hub/redis/marker.ts", "SCHEMA_VERSION = 3", "SCHEMA_VERSION = 4");
    const older = await start();
    await redis.kill();
    await redis.start();
    await until("its keys are marked", () => redis.admin.get(MARKER));
    match(await refusal(spawn(newer.hub)), /holds version 3/);
    await until("it is ready again", async () => (await ready(older)).status === 200);
    await serveTogether(older, older);
  }),
);

redisTest("if a newer version was first on an empty Redis, the older is not ready and reports the reason", () =>
  withScene(async ({ redis, start }) => {
    const older = await start();
    await redis.admin.set(MARKER, "monster-realtime 3");
    const answer = await until("it is not ready", async () => {
      const readiness = await ready(older);
      return readiness.status === 503 ? readiness.text() : null;
    });
    match(answer, /version 3/);
    await until("it is logged", () => older.output.includes("version 3"));
    await redis.admin.del(MARKER);
    await until("it is ready again", async () => (await ready(older)).status === 200);
  }),
);

redisTest("a newer version requires a migration; the older keeps running, and refuses to restart", () =>
  withScene(async ({ newer, spawn, start }) => {
    newer.addMigration(LATER, "SELECT 1;\n");
    const older = await start();
    const output = await refusal(spawn(newer.hub));
    match(output, `it lacks ${LATER}`);
    match(output, "npm run migrate");

    const migrating = spawn(newer.migrate);
    is(await migrating.exited, 0, migrating.output);
    await serveTogether(await start(newer.hub), older);
    match(await refusal(spawn()), new RegExp(`newer than this hub: it has ${LATER}.*Deploy the newer hub`));
  }),
);

test.run();
