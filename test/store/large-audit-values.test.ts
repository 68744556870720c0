import { equal, ok } from "uvu/assert";
import { readMigrations } from "../../hub/store/migrations/index.ts";
import { withDatabase, withEmptyDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";

const test = suite("large values in the audit trail");
const MIGRATION = "0005-large-audit-values";
const ORGANIZATION = "org_00000000000000000000000001";
const PROJECT = "proj_00000000000000000000000001";
const TASK = "task_00000000000000000000000001";

test("events that wait to be published when the migration runs get their large values omitted, and no others", () =>
  withEmptyDatabase(async ({ unlimited: sql }) => {
    const migrations = await readMigrations();
    const place = migrations.findIndex(({ name }) => name === MIGRATION);
    for (const { text } of migrations.slice(0, place)) await sql.begin((step) => step.unsafe(text));
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${ORGANIZATION}, 'x', 'x')`;
    await sql`INSERT INTO projects (id, organization_id, name) VALUES (${PROJECT}, ${ORGANIZATION}, 'P')`;
    await sql`INSERT INTO tasks (id, project_id, title, description) VALUES (${TASK}, ${PROJECT}, 'T', ${"x".repeat(9_000)})`;
    // Published already.
    await sql`DELETE FROM feed_queue`;
    await sql`UPDATE tasks SET description = ${"y".repeat(10_000)}, title = 'U' WHERE id = ${TASK}`;
    await sql.begin((step) => step.unsafe(migrations[place]?.text ?? ""));
    const events = await sql`SELECT operation, before ->> 'title' AS before, after ->> 'title' AS after,
        octet_length(after ->> 'description') AS kept, omitted #> '{before,description,bytes}' AS former,
        omitted #> '{after,description,bytes}' AS latter
      FROM audit_events WHERE row_id = ${TASK} ORDER BY id`;
    equal(
      events.map((event) => ({ ...event })),
      [
        { operation: "created", before: null, after: "T", kept: 9_000, former: null, latter: null },
        { operation: "updated", before: "T", after: "U", kept: null, former: 9_000, latter: 10_000 },
      ],
    );
  }));

test("an event with many small values is kept whole, however large they are together", () =>
  withDatabase(async ({ unlimited: sql }) => {
    const values = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`c${index}`, "x".repeat(1_000)]));
    const [event] = await sql`INSERT INTO audit_events (principal, entity, row_id, operation, after)
      VALUES ('db:test', 'tasks', ${TASK}, 'created', ${JSON.stringify(values)}::text::jsonb) RETURNING after, omitted`;
    equal(event?.after, values);
    ok(event?.omitted === null);
  }));

test.run();
