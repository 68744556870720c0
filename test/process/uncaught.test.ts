import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { UNCAUGHT_LIMIT_MS } from "../../hub/process/uncaught.ts";
import { askRunning, askStopped, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { joinedWorkstation } from "../support/joined-workstation.ts";
import type { RawClient } from "../support/raw-client.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf } from "../support/workstation-rows.ts";

const test = suite("an uncaught exception");

const LIMIT_MS = 120_000;
const PROGRAM = join(import.meta.dirname, "../support/hub-with-faults.ts");

/** Pending data is written only at the end. */
const ENV = { WRITE_BACK_INTERVAL_MS: "30000", DRAIN_MS: "60000" };

/** Ends a hub with a present workstation by an exception after `before`, and checks the results. */
function failing(
  before: (hub: HubProcess, client: RawClient) => Promise<void>,
  checkClient: (client: RawClient) => Promise<void>,
  env: Record<string, string> = {},
) {
  return withFolder(async (dataDir) => {
    const hub = await HubProcess.start(dataDir, { ...ENV, ...env }, PROGRAM);
    try {
      const { client, id, channel } = await joinedWorkstation(hub);
      await askRunning(dataDir, async (database) => {
        await until("the join is written", async () => (await rowOf(database, id)).status === "online");
      });
      await client.request("presence.update", { channel, meta: meta({ currentTaskCount: 7 }) });
      await before(hub, client);
      const failedAt = performance.now();
      hub.kill("SIGUSR2");
      is(await hub.exited, 1, hub.output);
      ok(performance.now() - failedAt < UNCAUGHT_LIMIT_MS);
      match(hub.output, "an exception for the test");
      await checkClient(client);
      equal(postgresOf(dataDir), []);
      await askStopped(dataDir, async (database) => {
        const { status, realtime_presence_meta: written } = await rowOf(database, id);
        equal([status, (written as { currentTaskCount: number }).currentTaskCount], ["online", 7]);
      });
    } finally {
      await hub.stop();
    }
  });
}

test(
  "ends the hub with exit code 1: pending data is written, clients are asked to reconnect, and no database is left",
  () =>
    failing(
      async () => undefined,
      async (client) => is(((await client.push("closing"))[0] as { code: string }).code, "draining"),
    ),
  LIMIT_MS,
);

test(
  "ends a draining hub immediately, with pending data written and no database left",
  () =>
    failing(
      async (hub, client) => {
        hub.kill("SIGTERM");
        await client.push("goaway");
      },
      async () => undefined,
    ),
  LIMIT_MS,
);

test.needing("redis-server")(
  "in the supervisor of several hubs ends all of them with pending data written, and no database left",
  () =>
    withRedis((redis) =>
      failing(
        async () => undefined,
        async (client) => {
          is(((await client.push("closing"))[0] as { code: string }).code, "draining");
          equal(client.received("goaway"), []);
        },
        { WEB_CONCURRENCY: "2", REDIS_URL: redis.url },
      ),
    ),
  LIMIT_MS,
);

test(
  "leaves no database when it ends a drain whose pending data can't be written",
  () =>
    withFolder(async (dataDir) => {
      const hub = await HubProcess.start(dataDir, ENV, PROGRAM);
      try {
        const { client, id, channel } = await joinedWorkstation(hub);
        await askRunning(dataDir, async (database) => {
          await until("the join is written", async () => (await rowOf(database, id)).status === "online");
        });
        const exited = await askRunning(dataDir, (database) =>
          database
            .transaction("test", async (sql) => {
              await sql`SELECT FROM workstations WHERE id = ${id} FOR UPDATE`;
              await client.request("presence.update", { channel, meta: meta({ currentTaskCount: 1 }) });
              hub.kill("SIGTERM");
              await client.push("goaway");
              hub.kill("SIGUSR2");
              return hub.exited;
            })
            // The end of the server has closed it.
            .catch(() => hub.exited),
        );
        is(exited, 1, hub.output);
        match(hub.output, "presence was not written back in time");
        equal(postgresOf(dataDir), []);
      } finally {
        await hub.stop();
      }
    }),
  LIMIT_MS,
);

test(
  "leaves no database when it happens during the start",
  () =>
    withFolder(async (dataDir) => {
      const hub = HubProcess.spawn(dataDir, {}, PROGRAM);
      try {
        await until("its Postgres runs", () => postgresOf(dataDir).length > 0, 30_000);
        hub.kill("SIGUSR2");
        is(await hub.exited, 1, hub.output);
        match(hub.output, "an exception for the test");
        equal(postgresOf(dataDir), []);
      } finally {
        await hub.stop();
      }
    }),
  LIMIT_MS,
);

test.run();
