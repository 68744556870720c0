import { pino } from "pino";
import * as assert from "uvu/assert";
import { Authorizer } from "../../hub/auth/authorizer.ts";
import { createRpcRouter } from "../../hub/rpc/router/router.ts";
import { PostgresFacts } from "../../hub/store/facts.ts";
import { loneNode } from "../support/lone-node.ts";
import { SERVICE, seen, user, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc replays");

test("a workstation detached from a project gets no replay of its writes there", () =>
  withWorld(async ({ database, ours, call, refusal, forget }) => {
    const params = { id: ours.taskId, set: { planSpec: "of the project" } };
    await database.query(
      (sql) =>
        sql`UPDATE tasks SET active_agent_id = ${ours.agentId}, agent_session_status = 'ACTIVE' WHERE id = ${ours.taskId}`,
    );
    const first = await call(ours.workstation, "tasks.update", params, "k");
    assert.equal(await call(ours.workstation, "tasks.update", params, "k"), first);
    await database.query((sql) => sql`DELETE FROM project_workstations WHERE id = ${ours.attachmentId}`);
    forget([{ entity: "workstation", id: ours.workstationId }]);
    assert.is((await refusal(ours.workstation, "tasks.get", { id: ours.taskId })).code, "not_found");
    assert.is((await refusal(ours.workstation, "tasks.update", params, "k")).code, "forbidden");
  }));

test("a user who lost an organization gets no replay of its creation", () =>
  withWorld(async ({ database, call, refusal }) => {
    const params = { name: "Mine", slug: "mine" };
    for (const lose of ["left", "suspended", "deleted"] as const) {
      const person = await user(database, null, "member");
      const made = { ...params, slug: lose };
      const first = await call(person, "organizations.create", made, "k");
      assert.equal(await call(person, "organizations.create", made, "k"), first);
      const other = await user(database, first.id, "owner");
      const { items } = await call(other, "organizationMemberships.list", { filter: { userId: person.id } });
      const id = items[0]?.id ?? "";
      if (lose === "left") await call(person, "organizationMemberships.delete", { id });
      else if (lose === "suspended") await call(other, "organizations.suspendMember", { membershipId: id });
      else await call(SERVICE, "organizations.delete", { id: first.id });
      assert.is((await refusal(person, "organizations.get", { id: first.id })).code, "not_found", lose);
      const { code, message } = await refusal(person, "organizations.create", made, "k");
      assert.is(code, "forbidden", lose);
      assert.not.ok(message.includes(first.id));
    }
  }));

test("a former member gets no replay of accepting the invitation", () =>
  withWorld(async (world) => {
    const { database, ours, call, refusal } = world;
    const { organizationId } = ours;
    const person = await user(database, null, "member");
    await call(ours.admin, "organizations.invite", { organizationId, email: "new@example.test" });
    await seen(world, person, "new@example.test");
    const accepted = await call(person, "organizations.acceptInvite", { organizationId }, "k");
    assert.equal(await call(person, "organizations.acceptInvite", { organizationId }, "k"), accepted);
    await call(ours.admin, "organizationMemberships.delete", { id: accepted.id });
    assert.is((await refusal(person, "organizations.acceptInvite", { organizationId }, "k")).code, "forbidden");
  }));

test("a token for some clients gets no replay of a first-party token's call", () =>
  withWorld(async ({ database, call, refusal }) => {
    const person = await user(database, null, "member");
    const params = { name: "Mine", slug: "mine", monsterAuthClientId: "our-app" };
    const first = await call(person, "organizations.create", params, "k");
    assert.equal(await call(person, "organizations.create", params, "k"), first);
    for (const clientId of ["our-app", "other"]) {
      const limited = { kind: "user", id: person.id, clientIds: [clientId] } as const;
      assert.is((await refusal(limited, "organizations.create", params, "k")).code, "forbidden", clientId);
    }
  }));

test("the creator of an organization gets the replay from a hub whose facts are older than the organization", () =>
  withWorld(async ({ database, call }) => {
    const log = pino({ level: "silent" });
    const authorizer = new Authorizer({ source: new PostgresFacts(database, log), cacheMs: 60_000, outageMs: 60_000 });
    const elsewhere = createRpcRouter({
      database,
      authorizer,
      ...loneNode(authorizer, log),
      onTouched: () => undefined,
      onProgress: () => undefined,
      log,
    });
    const principal = await user(database, null, "member");
    await elsewhere.call({ principal, method: "organizations.list", params: {}, idempotencyKey: undefined });
    const params = { name: "Mine", slug: "mine" };
    const first = await call(principal, "organizations.create", params, "k");
    const again = { principal, method: "organizations.create", params, idempotencyKey: "k" };
    assert.equal(await elsewhere.call(again), first);
  }));

test("a new answer triggers the removal of all answers older than a day, in any number", () =>
  withWorld(async ({ database, ours: { member, taskId: id }, call }) => {
    await database.query(
      (sql) => sql`
        INSERT INTO rpc_results (principal, method, idempotency_key, params_hash, created_at)
        SELECT 'user:x', 'tasks.update', number, 'x', now() - make_interval(hours => 23 + number % 2 * 2)
        FROM generate_series(1, 5000) AS number`,
    );
    await call(member, "tasks.update", { id, set: { title: "new" } }, "k");
    await until("the old answers are removed and the new ones are not", async () => {
      const kept = await database.query((sql) => sql`SELECT FROM rpc_results`);
      return kept.length === 2_501;
    });
  }));

test.run();
