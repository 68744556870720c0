import { ulid } from "ulid";
import type { TestHub } from "./hub.ts";
import { until } from "./until.ts";

/** Inserts a task with a timestamp that no client can parse: the change feed refuses the event `id`. */
export async function insertUnpublishableTask({
  database,
  projectId,
}: Pick<TestHub, "database" | "projectId">): Promise<{ task: string; id: number }> {
  const task = `task_${ulid()}`;
  await database.query(
    (sql) => sql`INSERT INTO tasks (id, project_id, title, created_at) VALUES (${task}, ${projectId}, 'T', 'infinity')`,
  );
  let id = 0;
  await until("the change is set aside", async () => {
    const [row] = await database.query(
      (sql) => sql<{ id: number }[]>`
        SELECT id::float8 AS id FROM feed_refused JOIN audit_events USING (id) WHERE row_id = ${task}`,
    );
    id = row?.id ?? 0;
    return id > 0;
  });
  return { task, id };
}

/** Sets a timestamp that clients can parse. */
export async function makePublishable({ database }: Pick<TestHub, "database">, task: string): Promise<void> {
  await database.query((sql) => sql`UPDATE tasks SET created_at = now(), title = 'now' WHERE id = ${task}`);
}
