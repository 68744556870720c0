import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import type { Database } from "../../hub/store/database.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { type FeedScene, withFeed } from "./stubborn-broker.ts";

const test = suite("a broker of which a part is unavailable");
/** Longer than any test of this file: polls have no effect. */
const NEVER_MS = 600_000;
const BACKLOG = 2_000;

/** Channels of the scene's project are unavailable, like those of one shard of a Redis cluster. */
function loseProject({ broker, projectId }: FeedScene): void {
  broker.answer = async ({ channel, payloadJson }) => {
    if (channel.includes(projectId) || payloadJson.includes(projectId))
      throw new HubError("unavailable", "Redis does not answer. Try again, with the same id.");
  };
}

/** Another organization, with a project of this many tasks. */
async function insertBacklog(database: Database, count: number): Promise<void> {
  const [organization, project] = [`org_${ulid()}`, `proj_${ulid()}`];
  await database.query(
    (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${organization}, 'other', 'other')`,
  );
  await database.query(
    (sql) => sql`INSERT INTO projects (id, organization_id, name) VALUES (${project}, ${organization}, 'P')`,
  );
  await database.query(
    (sql) => sql`INSERT INTO tasks (id, project_id, title)
      SELECT 'task_' || lpad(n::text, 26, '0'), ${project}, 'T' FROM generate_series(10001, ${10_000 + count}::int) n`,
  );
}

async function waiting(database: Database): Promise<string[]> {
  const rows = await database.query(
    (sql) =>
      sql<{ slug: string }[]>`SELECT DISTINCT slug FROM feed_queue q JOIN organizations o ON o.id = q.organization_id`,
  );
  return rows.map(({ slug }) => slug);
}

test("delays no other organization's backlog to the next poll, and is logged once", () =>
  withFeed({ max: 2, count: 300, pollMs: NEVER_MS }, async (scene) => {
    const { database, feed, broker, lines, tasks } = scene;
    await until("all are published", async () => (await tasks()).length === 300);
    await until("nothing waits", async () => (await waiting(database)).length === 0);
    loseProject(scene);
    await database.query((sql) => sql`UPDATE tasks SET title = 'later'`);
    await insertBacklog(database, BACKLOG);
    feed.wake();
    await until("the other organization's are published", async () => !(await waiting(database)).includes("other"));
    equal(await waiting(database), ["o"]);
    const before = broker.asked;
    feed.wake();
    // Resolves if the last round is one in which nothing is published.
    await feed.close();
    ok(broker.asked - before < BACKLOG, `${broker.asked - before} publications tried again`);
    is(lines.length, 1, JSON.stringify(lines));
    is(feed.failing, true);
  }));

test("continues where it stopped as soon as that part is available again", () =>
  withFeed({ max: 2, count: 3, pollMs: 20 }, async (scene) => {
    const { database, feed, broker, lines, tasks } = scene;
    await until("all are published", async () => (await tasks()).length === 3);
    loseProject(scene);
    await database.query((sql) => sql`UPDATE tasks SET title = 'later'`);
    await insertBacklog(database, BACKLOG);
    await until("the other organization's are published", async () => !(await waiting(database)).includes("other"));
    is(feed.failing, true);
    broker.answer = async () => undefined;
    await until("nothing waits", async () => (await waiting(database)).length === 0);
    is((await tasks()).length, 6);
    await until("it has recovered", () => !feed.failing);
    is(lines.length, 1, JSON.stringify(lines));
  }));

test.run();
