import { join } from "node:path";
import { is } from "uvu/assert";
import { renewIdentity } from "../../hub/store/identity.ts";
import { urlOf, withDatabase } from "../support/database.ts";
import { HubProcess, withFolder } from "../support/faults.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("hubs of a database with a new identity", "redis-server");
const LIMIT_MS = 90_000;

for (const processes of [1, 2]) {
  test(
    `exit, or are restarted by their supervisor, and serve under the new one: processes ${processes}`,
    () =>
      withFolder((folder) =>
        withRedis((redis) =>
          withDatabase(async (database, info) => {
            const env = { DATABASE_URL: urlOf(info), REDIS_URL: redis.url, WEB_CONCURRENCY: String(processes) };
            const start = () => HubProcess.start(join(folder, "data"), env);
            const hub = await start();
            const serving = processes === 1 ? null : hub;
            try {
              const identity = await renewIdentity(database);
              await until(
                "it logs the reason",
                () => hub.output.includes("identity has changed since this hub started"),
                20_000,
              );
              if (!serving) is(await hub.exited, 1, hub.output);
              const next = serving ?? (await start());
              const marked = `mr:${identity}:{mr:program}:program`;
              await until("the new identity is served", async () => (await redis.admin.exists(marked)) === 1, 30_000);
              // The hub takes any free port: another one if all its processes had ended.
              const isReady = async () => {
                const { url } = await next.development();
                return (await fetch(`${url}/readyz`).catch(() => null))?.status === 200;
              };
              await until("it is ready", isReady, 30_000);
              if (!serving) await next.stop();
            } finally {
              await hub.stop();
            }
          }),
        ),
      ),
    LIMIT_MS,
  );
}

test.run();
