import * as assert from "uvu/assert";
import type { UserPrincipal } from "../../hub/auth/principal.ts";
import { PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { callsOn, NAMES_NO_ROW, type Rows } from "../support/calls-on-rows.ts";
import { withOnSite } from "../support/on-site.ts";
import { type Tenant, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { withChildren } from "../support/task-children.ts";

const test = suite("rpc by tokens of clients that are not first-party");

const tokenFor = (person: { id: string }, clientId: string): UserPrincipal => ({
  kind: "user",
  id: person.id,
  clientIds: [clientId],
});

/** Params of methods that name no row. Other such methods are lists without params. */
const WITHOUT_ROW = new Map<string, object>([
  ["organizations.create", { name: "Mine", slug: "mine" }],
  ["users.create", { monsterAuthUserId: "made", email: "made@example.test" }],
  ["agents.report", { agents: [] }],
]);

async function rowsOf(world: World, tenant: Tenant): Promise<Rows> {
  return withOnSite(world.database, await withChildren(world.database, tenant));
}

/** Every method of the hub, called on these rows and on the user itself. */
function everyCall(rows: Rows, person: { id: string }): [string, object][] {
  const methods = PROCEDURES.map(({ method }) => method);
  const calls: [string, object][] = [
    ...callsOn(rows),
    ["users.get", { id: person.id }],
    ["users.update", { id: person.id, set: { displayName: "Taken" } }],
    ["users.delete", { id: person.id }],
    ...methods
      .filter((method) => NAMES_NO_ROW.test(method))
      .map((method): [string, object] => [method, WITHOUT_ROW.get(method) ?? {}]),
  ];
  const asked = new Set(calls.map(([method]) => method));
  assert.equal(
    methods.filter((method) => !asked.has(method)),
    [],
    "methods that this table lacks",
  );
  return calls;
}

async function events({ database }: World): Promise<number> {
  const [row] = await database.query((sql) => sql<{ count: number }[]>`SELECT count(*)::int FROM audit_events`);
  return row?.count ?? Number.NaN;
}

/** Empty, forbidden, or the same answer as for a missing row. */
async function assertOpensNothing(world: World, principal: UserPrincipal, calls: [string, object][]): Promise<void> {
  for (const [method, params] of calls) {
    const answer = await world.router
      .call({ principal, method, params, idempotencyKey: undefined })
      .then((data) => JSON.stringify((data as { items?: unknown }).items ?? data))
      .catch(({ code }: { code: string }) => code);
    assert.ok(["forbidden", "not_found", "[]"].includes(answer), `${method}: ${answer}`);
  }
}

test("a token that covers none of its user's organizations gets nothing from any method, and changes nothing", () =>
  withWorld(async (world) => {
    const rows = await rowsOf(world, world.ours);
    for (const person of [world.ours.owner, world.ours.admin, world.ours.member]) {
      const before = await events(world);
      await assertOpensNothing(world, tokenFor(person, "stranger"), everyCall(rows, person));
      assert.is(await events(world), before);
    }
  }));

test("a token that covers one organization gets nothing of its user's other organizations", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, database, call } = world;
    const { owner, organizationId: id } = ours;
    await call(owner, "organizations.update", { id, set: { monsterAuthClientId: "our-app" } });
    await database.query(
      (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
        VALUES ('orgmem_01ARZ3NDEKTSV4RRFFQ69G5FAV', ${otherTenant.organizationId}, ${owner.id}, 'owner')`,
    );
    world.forget([{ entity: "user", id: owner.id }]);
    const rows = await rowsOf(world, otherTenant);
    assert.is((await call(owner, "organizations.list", {})).items.length, 2);
    const before = await events(world);
    await assertOpensNothing(world, tokenFor(owner, "our-app"), callsOn(rows));
    assert.is(await events(world), before);
  }));

test("a token that covers one organization has its user's role there, and never acts on the user itself", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const { owner, organizationId, projectId, membershipId } = ours;
    await call(owner, "organizations.update", { id: organizationId, set: { monsterAuthClientId: "our-app" } });
    const limited = tokenFor(owner, "our-app");
    const mine = await call(owner, "organizationMemberships.list", { filter: { userId: owner.id } });
    const own = mine.items[0]?.id ?? "";
    const forbidden: [string, object][] = [
      ["users.update", { id: owner.id, set: { displayName: "Taken" } }],
      ["organizations.create", { name: "Mine", slug: "mine" }],
      ["organizations.acceptInvite", { organizationId }],
      ["organizations.declineInvite", { organizationId }],
      ["organizations.invitations", {}],
      ["organizationMemberships.delete", { id: own }],
      ["organizationMemberships.update", { id: own, set: { role: "member" } }],
      ["organizations.suspendMember", { membershipId: own }],
      ["organizations.restoreMember", { membershipId: own }],
    ];
    for (const [method, params] of forbidden)
      assert.is((await refusal(limited, method, params)).code, "forbidden", method);
    await call(limited, "projects.update", { id: projectId, set: { name: "Ours" } });
    await call(limited, "organizations.suspendMember", { membershipId });
    const people = await call(limited, "users.list", { organizationId });
    assert.ok(people.items.every(({ monsterAuthUserId }) => monsterAuthUserId === null));
    const { items } = await call(owner, "users.list", { organizationId });
    assert.ok(items.some(({ id, monsterAuthUserId }) => id === owner.id && monsterAuthUserId === owner.id));
  }));

test("the error of an action on oneself names the token that it needs", () =>
  withWorld(async ({ ours: { member }, refusal }) => {
    const params = { id: member.id, set: { displayName: "Taken" } };
    const { message } = await refusal(tokenFor(member, "stranger"), "users.update", params);
    assert.match(message, /first-party/);
  }));

test.run();
