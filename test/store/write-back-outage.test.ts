import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { startEmbeddedPostgres } from "../../hub/store/embedded.ts";
import { migrate } from "../../hub/store/migrate.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import {
  presenceOf,
  recordingLog,
  rowsOf,
  seedWorkstations,
  transitionsOf,
  withWriter,
} from "../support/workstation-rows.ts";

const test = suite("presence write-back without its database");

interface StoppableDatabase {
  database: Database;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** A separate server, because it is stopped. */
async function withStoppable(body: (under: StoppableDatabase) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "write-back-"));
  const startServer = () =>
    startEmbeddedPostgres({ dataDir: join(dataDir, "postgres"), log: recordingLog().log, fsync: false });
  let server = await startServer();
  const database = new Database({ ...server.connection, max: 4, statementTimeoutMs: 2_000, connectTimeoutMs: 2_000 });
  try {
    await migrate(database.unlimited, { embeddedDir: null });
    await body({
      database,
      stop: () => server.stop(),
      async start() {
        server = await startServer();
      },
    });
  } finally {
    await database.close();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

test(
  "states wait in memory while the database is stopped and are on the rows within ten seconds of its return",
  () =>
    withStoppable(async ({ database, stop, start }) => {
      const ids = await seedWorkstations(database, 50);
      const [first = ""] = ids;
      await withWriter(
        database,
        async ({ writer, logged }) => {
          for (const id of ids) writer.write(presenceOf(id, 1));
          await until("the first states are written", () => writer.pending === 0);
          await stop();

          for (let revision = 2; revision <= 20; revision += 1)
            for (const id of ids) writer.write(presenceOf(id, revision));
          await until("the outage is detected", () => logged.length > 0);
          for (const id of ids) writer.write(presenceOf(id, 21, { state: "suspect" }));
          is(writer.pending, ids.length, "one state per workstation, however many changes there were");
          const asked = performance.now();
          await writer.flush(300);
          ok(performance.now() - asked < 1_000, "draining doesn't wait for an unavailable database");
          for (const id of ids) writer.write(presenceOf(id, 22, { meta: { status: "busy" } }));

          await start();
          await until("everything is written", () => writer.pending === 0, 10_000);
        },
        { intervalMs: 20 },
      );
      for (const row of await rowsOf(database, ids)) {
        equal([row.status, row.presence_revision, row.realtime_presence_meta], ["online", 22, { status: "busy" }]);
      }
      equal(
        (await transitionsOf(database, first)).map(({ after }) => `${after.presence} ${after.revision}`),
        ["online 1", "suspect 21", "online 22"],
      );
    }),
  60_000,
);

test.run();
