import { spawn } from "node:child_process";
import { once } from "node:events";
import { pino } from "pino";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { Purger } from "../../hub/purge/purger.ts";
import { Database } from "../../hub/store/database.ts";
import { urlOf } from "../support/database.ts";
import { program } from "../support/program.ts";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, furnish, LIMIT_MS, marksOf, rowsOf, tracesOf, untilRemoved, withPurger } from "./support.ts";

const test = suite("concurrent and interrupted purges");

test(
  "a pool of one connection is enough, and is free for other work between the batches",
  () =>
    withWorld(async (world) => {
      const { database, ours, otherTenant, call } = world;
      await fillProject(database, ours.projectId, 1_000);
      await call(ours.admin, "projects.delete", { id: ours.projectId });
      const single = new Database({
        ...database.connection,
        max: 1,
        statementTimeoutMs: 2_000,
        connectTimeoutMs: 5_000,
      });
      try {
        await withPurger(single, { days: 0 }, async (purger) => {
          await until("the purge has started", () => purger.removed > 0);
          while ((await marksOf(database)).length > 0) {
            await single.transaction(
              "test",
              (sql) => sql`UPDATE tasks SET title = ${ulid()} WHERE id = ${otherTenant.taskId}`,
            );
          }
        });
      } finally {
        await single.close();
      }
      is(await rowsOf(world, ours), 0);
    }),
  LIMIT_MS,
);

test(
  "only one of two nodes removes at a time, and the other takes over when it stops",
  () =>
    withWorld(async (world) => {
      const { database, ours, call } = world;
      await fillProject(database, ours.projectId, 1_500);
      await call(ours.admin, "projects.delete", { id: ours.projectId });
      const node = (nodeId: string) =>
        new Purger({ database, nodeId, days: 0, intervalMs: 20, restShare: 0, log: pino({ level: "silent" }) });
      const [first, second] = [node("node_a"), node("node_b")];
      first.start();
      await until("the first removes", () => first.removed > 0);
      second.start();
      await until("the first continues", () => first.removed > 500, LIMIT_MS);
      is(second.removed, 0);
      await first.close();
      await until("the second takes over", () => second.removed > 0, LIMIT_MS);
      await untilRemoved(database);
      await second.close();
      is(await rowsOf(world, ours), 0);
    }),
  LIMIT_MS,
);

test(
  "a row locked by another transaction delays only its own purge, which is retried",
  () =>
    withWorld(async ({ database, ours, otherTenant, call }) => {
      await call(ours.admin, "projects.delete", { id: ours.projectId });
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const holder = database.unlimited.begin(async (sql) => {
        await sql`SELECT FROM tasks WHERE id = ${ours.taskId} FOR UPDATE`;
        await held;
      });
      await withPurger(database, { days: 0 }, async () => {
        await until("its failure is recorded", async () => {
          const [mark] = await database.query(
            (sql) => sql`SELECT last_error FROM purges WHERE row_id = ${ours.projectId}`,
          );
          return mark?.last_error != null;
        });
        await call(otherTenant.admin, "projects.delete", { id: otherTenant.projectId });
        await until("the other project is removed", async () => (await marksOf(database)).length === 1);
        release();
        await holder;
        await database.query((sql) => sql`UPDATE purges SET failed_at = failed_at - interval '1 minute'`);
        await untilRemoved(database);
      });
    }),
  LIMIT_MS,
);

/** The first attempt of each batch that removed something fails as a deadlock victim, after its work. */
async function failEachFirstTry({ unlimited: sql }: Database): Promise<void> {
  // A sequence keeps its value when a transaction rolls back.
  await sql`CREATE SEQUENCE tries`;
  await sql`CREATE FUNCTION fail_first() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('tries') % 2 = 1 THEN RAISE EXCEPTION 'the first try' USING ERRCODE = '40P01'; END IF;
    RETURN NULL; END $$`;
  await sql`CREATE TRIGGER fail_first AFTER UPDATE OF removed ON purges EXECUTE FUNCTION fail_first()`;
}

test(
  "retried transactions skip no row, and leave none to a cascade",
  () =>
    withWorld(async ({ database, ours, call }) => {
      const { organizationId, projectId } = ours;
      await furnish(database, ours);
      await fillProject(database, projectId, 150);
      await database.query(
        (sql) => sql`INSERT INTO audit_events (principal, organization_id, entity, row_id, operation)
          SELECT 'test', ${organizationId}, 'tasks', ${ours.taskId}, 'updated' FROM generate_series(1, 1500)`,
      );
      await call(ours.owner, "organizations.delete", { id: organizationId });
      await database.unlimited`CREATE FUNCTION refuse_cascade() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
        IF pg_trigger_depth() > 1 THEN RAISE EXCEPTION '% is removed by a cascade', TG_TABLE_NAME; END IF;
        RETURN OLD; END $$`;
      const tables = ["tasks", "agent_sessions", "task_agents", "task_attachments", "task_dependencies", "projects"];
      for (const table of tables)
        await database.unlimited`CREATE TRIGGER refuse_cascade BEFORE DELETE ON ${database.unlimited(table)}
          FOR EACH ROW EXECUTE FUNCTION refuse_cascade()`;
      await failEachFirstTry(database);
      await withPurger(database, { days: 0 }, async () => {
        const outcome = async () => {
          const [mark] = await database.query(
            (sql) => sql<{ error: string | null }[]>`SELECT last_error AS error FROM purges`,
          );
          return mark ? mark.error : "removed";
        };
        is(await until("it is removed, or fails", outcome, LIMIT_MS), "removed");
      });
      equal(await tracesOf(database, organizationId), []);
    }),
  LIMIT_MS,
);

/** A process that purges until it is killed. */
async function purgingProcess(url: string): Promise<{ kill(): Promise<void> }> {
  const child = spawn(process.execPath, [...program("test/purge/purging-process.ts"), url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

test(
  "a purge whose process is killed at any time continues where it stopped",
  () =>
    withWorld(async (world) => {
      const { database, ours, otherTenant, call } = world;
      await furnish(database, ours);
      await fillProject(database, ours.projectId, 3_000);
      await call(ours.owner, "organizations.delete", { id: ours.organizationId });
      const { socketDir, user, database: name } = database.connection;
      const url = urlOf({ socketDir: socketDir ?? "", user: user ?? "", database: name ?? "" });
      let left = await rowsOf(world, ours);
      for (let kills = 0; kills < 3; kills += 1) {
        const child = await purgingProcess(url);
        await until("it removed more", async () => (await rowsOf(world, ours)) < left, LIMIT_MS);
        await child.kill();
        left = await rowsOf(world, ours);
        ok(left > 0, "it was killed in the middle");
        // Another node would take over after 15 s.
        await database.query((sql) => sql`UPDATE purges SET held_until = now()`);
      }
      await withPurger(database, { days: 0 }, () => untilRemoved(database));
      equal(await tracesOf(database, ours.organizationId), []);
      is(await rowsOf(world, otherTenant), 1);
    }),
  LIMIT_MS,
);

test.run();
