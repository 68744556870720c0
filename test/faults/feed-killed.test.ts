import { setTimeout as pause } from "node:timers/promises";
import type { HistoryReply, Publication } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { TestCluster } from "../invariants/nodes.ts";
import { randomOf } from "../support/random.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the change feed of killed hubs", "redis-server");
/** `FEED_KILLS=100` for the long form. */
const KILLS = Number(process.env.FEED_KILLS ?? 3);
const SEED = Number(process.env.FEED_SEED ?? Date.now() % 100_000);
const TASKS = 40;
const WRITERS = 4;
const PER_TRANSACTION = 5;
const APART_MS = 5;
/** The largest history of a project: the test compares all of it. */
const HISTORY = 100_000;
/** The transactions of one writer for each kill, however long the hubs take to return: all changes fit into the history. */
const TRANSACTIONS = Math.floor((0.9 * HISTORY) / KILLS / WRITERS / PER_TRANSACTION);
const SETTLE_MS = 60_000;
const RETURN_MS = 120_000;
const ENV = {
  PROJECT_HISTORY_SIZE: String(HISTORY),
  PROJECT_HISTORY_TTL_MS: "3600000",
  HISTORY_BYTES: "2000000000",
  HISTORY_BYTES_PER_ORGANIZATION: "2000000000",
};

async function everyPublication(client: RawClient, channel: string): Promise<Publication[]> {
  const found: Publication[] = [];
  for (let after = 0; ; after = found.at(-1)?.offset ?? after) {
    const page = (await client.request("history", { channel, after, limit: 1_000 })) as HistoryReply;
    is(page.complete, true, "the history reaches back to the first publication");
    if (page.publications.length === 0) return found;
    found.push(...page.publications);
  }
}

test(
  `${KILLS} kills at random moments under load lose no committed change, repeat none, and keep the order of each row`,
  async () => {
    const random = randomOf(SEED);
    const cluster = await TestCluster.start({ nodes: 2, redis: true, env: ENV });
    try {
      const { database } = cluster;
      const [organization, project] = [`org_${ulid()}`, `proj_${ulid()}`];
      const tasks = Array.from({ length: TASKS }, () => `task_${ulid()}`).sort();
      await database.query((sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'o', 'o')`);
      await database.query(
        (sql) => sql`INSERT INTO projects (id, organization_id, name) VALUES (${project}, ${organization}, 'P')`,
      );
      await database.query(
        (sql) =>
          sql`INSERT INTO tasks (id, project_id, title) SELECT id, ${project}, 'T' FROM unnest(${tasks}::text[]) id`,
      );
      let isOver = false;
      let allowed = TRANSACTIONS;
      const write = async (writer: number) => {
        for (let round = 0; !isOver; round += 1) {
          if (round === allowed) await until("the next kill", () => isOver || round < allowed, RETURN_MS);
          const some = Array.from({ length: PER_TRANSACTION }, () => tasks[random(TASKS)] ?? "").sort();
          await database.query(
            (sql) => sql`UPDATE tasks SET title = ${`${writer} ${round}`} WHERE id IN
            (SELECT id FROM tasks WHERE id = ANY (${some}) ORDER BY id FOR NO KEY UPDATE)`,
          );
          await pause(APART_MS);
        }
      };
      const writers = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
      // It rejects where it is awaited.
      writers.catch(() => undefined);
      for (let kill = 0; kill < KILLS; kill += 1) {
        await pause(random(400));
        const [one, isBoth] = [random(2), random(3) === 0];
        await Promise.all([cluster.kill(one), isBoth ? cluster.kill(1 - one) : undefined]);
        await cluster.heal();
        allowed += TRANSACTIONS;
      }
      isOver = true;
      await writers;
      await until(
        "nothing waits",
        async () => (await database.query((sql) => sql`SELECT 1 FROM feed_queue LIMIT 1`)).length === 0,
        SETTLE_MS,
      );
      const committed = await database.query(
        (sql) => sql<{ publication: string; row: string }[]>`SELECT row_id AS row,
          'audit:' || id || ':' || (extract(epoch FROM at) * 1000)::bigint || '.' || nonce AS publication
          FROM audit_events WHERE entity = 'tasks' AND lane IS NOT NULL ORDER BY id`,
      );
      const client = new RawClient(`http://127.0.0.1:${cluster.ports[0]}`, { token: cluster.serviceToken });
      await client.welcomed();
      const published = (await everyPublication(client, `project:${project}:tasks`)).filter(({ type }) =>
        type.startsWith("task:"),
      );
      client.close();
      ok(committed.length > KILLS * 10, "there was load");
      is(new Set(published.map(({ id }) => id)).size, published.length, `an id was published twice (seed ${SEED})`);
      for (const task of tasks) {
        equal(
          published.filter(({ payload }) => (payload as { id: string }).id === task).map(({ id }) => id),
          committed.filter(({ row }) => row === task).map(({ publication }) => publication),
          `${task} (seed ${SEED})`,
        );
      }
      console.error(`${KILLS} kills, ${committed.length} committed changes, each published once; seed ${SEED}`);
    } finally {
      await cluster.stop();
    }
  },
  60_000 + KILLS * 30_000,
);

test.run();
