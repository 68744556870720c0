import type { ErrorObject } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import { is, ok } from "uvu/assert";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { boardOf, withForeign } from "./support.ts";

const test = suite("revocation by the feed");
/** From the commit on. */
const LIMIT_MS = 1_000;
/** Facts are cached for long, and checks are rarer still: only the feed reports the change in time. */
const PATIENT = { RIGHTS_CACHE_MS: "5000" };

type Sql = Parameters<Parameters<typeof withForeign>[1]>[0];
type Ids = TestHub & { otherProjectId: string };

interface Case {
  what: string;
  by: (sql: Sql, ids: Ids) => Promise<unknown>;
  /** The affected client, and the effect. */
  member?: "unsubscribed";
  workstation?: "suspended" | "unauthenticated" | "unsubscribed";
}

const CASES: readonly Case[] = [
  {
    what: "a suspended membership",
    by: (sql, { userId }) => sql`UPDATE organization_memberships SET status = 'suspended' WHERE user_id = ${userId}`,
    member: "unsubscribed",
  },
  {
    what: "a removed membership",
    by: (sql, { userId }) => sql`DELETE FROM organization_memberships WHERE user_id = ${userId}`,
    member: "unsubscribed",
  },
  {
    what: "a suspended workstation",
    by: (sql, { workstation }) => sql`UPDATE workstations SET status = 'suspended' WHERE id = ${workstation.id}`,
    workstation: "suspended",
  },
  {
    what: "a deleted workstation",
    by: (sql, { workstation }) => sql`UPDATE workstations SET deleted_at = now() WHERE id = ${workstation.id}`,
    member: "unsubscribed",
    workstation: "unauthenticated",
  },
  {
    what: "a workstation whose row is gone",
    by: (sql, { workstation }) => sql`DELETE FROM workstations WHERE id = ${workstation.id}`,
    member: "unsubscribed",
    workstation: "unauthenticated",
  },
  {
    what: "a rotated token",
    by: (sql, { workstation }) =>
      sql`UPDATE workstations SET registration_token = ${"cd".repeat(32)} WHERE id = ${workstation.id}`,
    workstation: "unauthenticated",
  },
  {
    what: "a detached workstation",
    by: (sql, { workstation }) => sql`DELETE FROM project_workstations WHERE workstation_id = ${workstation.id}`,
    workstation: "unsubscribed",
  },
  {
    what: "an archived project",
    by: (sql, { projectId }) => sql`UPDATE projects SET status = 'archived' WHERE id = ${projectId}`,
    member: "unsubscribed",
    workstation: "unsubscribed",
  },
  {
    what: "a project marked as deleted",
    by: (sql, { projectId }) => sql`UPDATE projects SET deleted_at = now() WHERE id = ${projectId}`,
    member: "unsubscribed",
    workstation: "unsubscribed",
  },
  {
    what: "a deleted organization",
    by: (sql, { organizationId }) => sql`UPDATE organizations SET deleted_at = now() WHERE id = ${organizationId}`,
    member: "unsubscribed",
    workstation: "unauthenticated",
  },
  {
    what: "a deleted task",
    by: (sql, { taskId }) => sql`DELETE FROM tasks WHERE id = ${taskId}`,
    member: "unsubscribed",
    workstation: "unsubscribed",
  },
  {
    what: "a task that moved to a project of others",
    by: (sql, { taskId, otherProjectId }) => sql`UPDATE tasks SET project_id = ${otherProjectId} WHERE id = ${taskId}`,
    workstation: "unsubscribed",
  },
];

/** Resolves with the error that ended something of this client. */
function ended(client: RawClient, how: NonNullable<Case["member"] | Case["workstation"]>): ErrorObject | undefined {
  if (how === "unsubscribed") return client.received("unsubscribed")[0]?.[1] as ErrorObject | undefined;
  const error = client.received("closing")[0]?.[0] as ErrorObject | undefined;
  return client.disconnectReason !== null && error?.code === how ? error : undefined;
}

/** Adds another owner, because the last one can't be removed. */
async function addOwner({ database, organizationId }: TestHub): Promise<void> {
  const id = `user_${ulid()}`;
  await database.query(
    (sql) => sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${id}, 'second@test.invalid')`,
  );
  await database.query(
    (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
      VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id}, 'owner')`,
  );
}

async function watching(hub: TestHub): Promise<{ member: RawClient; workstation: RawClient; bystander: RawClient }> {
  const other = await hub.addWorkstation();
  const [member, workstation, bystander] = await hub.connectAll(hub.userToken, hub.workstation.token, other.token);
  for (const channel of [hub.taskChannel, hub.projectChannel, boardOf(hub), hub.workstation.channel])
    await member.request("subscribe", { channel });
  for (const channel of [hub.taskChannel, hub.projectChannel, boardOf(hub)])
    await workstation.request("subscribe", { channel });
  await workstation.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
  await bystander.request("subscribe", { channel: other.channel });
  return { member, workstation, bystander };
}

for (const { what, by, member, workstation } of CASES) {
  test(`${what} takes effect within a second, while another transaction stays open`, () =>
    withHub({ env: PATIENT }, async (hub) => {
      await addOwner(hub);
      const otherProjectId = `proj_${ulid()}`;
      await hub.database.query(
        (sql) =>
          sql`INSERT INTO projects (id, organization_id, name) VALUES (${otherProjectId}, ${hub.organizationId}, 'O')`,
      );
      const clients = await watching(hub);
      await withForeign(hub, async (sql) => {
        const open = await sql.reserve();
        await open`BEGIN`;
        await open`SELECT pg_current_xact_id()`;
        await by(sql, { ...hub, otherProjectId });
        const felt = [
          ...(member ? [() => ended(clients.member, member)] : []),
          ...(workstation ? [() => ended(clients.workstation, workstation)] : []),
        ];
        for (const error of await Promise.all(felt.map((feel) => until(what, feel, LIMIT_MS)))) {
          is(error.temporary, false);
          ok(["forbidden", "suspended", "unauthenticated"].includes(error.code), error.code);
        }
        await open`ROLLBACK`;
        open.release();
      });
      if (!member) is(clients.member.disconnectReason, null);
      if (what !== "a deleted organization") is(clients.bystander.received("unsubscribed").length, 0);
    }));
}

test("a workstation that is detached leaves the project's roster, and one that is attached joins it", () =>
  withHub({ env: PATIENT }, async (hub) => {
    const { member } = await watching(hub);
    await member.request("subscribe", { channel: hub.projectChannel, presence: true });
    const { id } = hub.workstation;
    const roster = async () => (await member.request("presence.list", { channel: hub.projectChannel })).members.length;
    await until("it is on the roster", async () => (await roster()) === 1);
    await hub.database.query((sql) => sql`DELETE FROM project_workstations WHERE workstation_id = ${id}`);
    await until("it is off the roster", async () => (await roster()) === 0, LIMIT_MS);
    const attachment = `projws_${ulid()}`;
    await hub.database.query(
      (sql) =>
        sql`INSERT INTO project_workstations (id, project_id, workstation_id) VALUES (${attachment}, ${hub.projectId}, ${id})`,
    );
    await until("it is on the roster again", async () => (await roster()) === 1, LIMIT_MS);
  }));

test(
  "a thousand connections that lose their rights together all lose them within a second",
  () =>
    withHub({ env: { ...PATIENT, CONNECTIONS_PER_PRINCIPAL: "2000" } }, async (hub) => {
      const clients: RawClient[] = [];
      for (let wave = 0; wave < 10; wave += 1) {
        const tokens = Array.from({ length: 100 }, () => hub.userToken);
        clients.push(...(await hub.connectAll(...tokens)));
      }
      await Promise.all(clients.map((client) => client.request("subscribe", { channel: boardOf(hub) })));
      await addOwner(hub);
      await hub.database.query(
        (sql) => sql`UPDATE organization_memberships SET status = 'suspended' WHERE user_id = ${hub.userId}`,
      );
      const start = performance.now();
      await until("all have lost it", () => clients.every((client) => ended(client, "unsubscribed")), LIMIT_MS);
      ok(performance.now() - start < LIMIT_MS);
    }),
  // A thousand connections need most of that second on a busy machine.
  60_000,
);

test.run();
