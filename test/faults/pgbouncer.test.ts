import { join } from "node:path";
import { equal, is, match } from "uvu/assert";
import { urlOf, withDatabase } from "../support/database.ts";
import { HubProcess, withFolder } from "../support/faults.ts";
import { withPgBouncer } from "../support/pgbouncer.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";

const test = suite("a hub behind PgBouncer before 1.21", "pgbouncer");
const LIMIT_MS = 90_000;
const CONNECTIONS = 10;
const WRITES = 12;

test(
  "in transaction mode it executes every write, pushes changes, and logs once the limits of the pooler",
  () =>
    withFolder((folder) =>
      withDatabase((direct, info) =>
        withPgBouncer(info, { mode: "transaction", poolSize: 3 }, async ({ connection }) => {
          const urls = { DATABASE_URL: connection.url, DATABASE_DIRECT_URL: urlOf(info) };
          const hub = await HubProcess.start(join(folder, "data"), { ...urls, DEVELOPMENT: "on" });
          const clients: RawClient[] = [];
          try {
            const { url, serviceToken, projectId } = await hub.development();
            for (let index = 0; index < CONNECTIONS; index += 1)
              clients.push(new RawClient(url, { token: serviceToken }));
            await Promise.all(clients.map((client) => client.welcomed()));
            const [watcher] = clients;
            await watcher?.request("subscribe", { channel: `project:${projectId}:tasks` });
            const call = (client: RawClient, title: string) =>
              client.ack("rpc", { method: "tasks.create", params: { projectId, title }, idempotencyKey: title });
            const acks = await Promise.all(
              clients.map(async (client, index) => {
                const own = [];
                for (let number = 0; number < WRITES; number += 1)
                  own.push(await call(client, `task ${index}.${number}`));
                return own;
              }),
            );
            const failed = acks.flat().filter(({ ok }) => !ok);
            equal(failed, []);
            const rows = await direct.query((sql) => sql`SELECT 1 FROM tasks WHERE title LIKE 'task %'`);
            is(rows.length, CONNECTIONS * WRITES);
            await watcher?.push("publications");
            is(hub.output.match(/loses prepared statements/g)?.length, 1, hub.output);
            match(hub.output, "max_prepared_statements = 200");
            match(hub.output, `ALTER ROLE ${info.user} SET statement_timeout = `);
          } finally {
            for (const client of clients) client.close();
            await hub.stop();
          }
        }),
      ),
    ),
  LIMIT_MS,
);

test(
  "with a time limit of the role in Postgres, and in session mode, nothing is logged",
  () =>
    withFolder((folder) =>
      withDatabase((direct, info) =>
        withPgBouncer(info, { mode: "session", poolSize: 20 }, async ({ connection }) => {
          await direct.unlimited.unsafe(`ALTER DATABASE ${info.database} SET statement_timeout = 9000`);
          const hub = await HubProcess.start(join(folder, "data"), { DATABASE_URL: connection.url, DEVELOPMENT: "on" });
          await hub.stop();
          equal(hub.output.match(/.*"level":40.*/g), null, hub.output);
        }),
      ),
    ),
  LIMIT_MS,
);

test.run();
