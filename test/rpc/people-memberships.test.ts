import type { Role } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { Principal } from "../../hub/auth/principal.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { SERVICE, type Tenant, user, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rpc memberships");
const ROLES = ["member", "admin", "owner"] as const;

/** The id of a user's membership in an organization. */
async function membershipOf({ database }: World, { organizationId }: Tenant, { id }: Principal): Promise<string> {
  const [row] = await database.query(
    (sql) => sql<{ id: string }[]>`
      SELECT id FROM organization_memberships WHERE organization_id = ${organizationId} AND user_id = ${id}`,
  );
  return row?.id ?? "";
}

/** A further member of our organization with this role, and the membership. */
async function another(world: World, role: Role): Promise<{ person: Principal; id: string }> {
  const person = await user(world.database, world.ours.organizationId, role);
  return { person, id: await membershipOf(world, world.ours, person) };
}

/** Whether any statement waits for a lock. */
async function waiting({ database }: World): Promise<boolean> {
  const rows = await database.query(
    (sql) => sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
}

async function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "yes",
    (error: { code: string }) => error.code,
  );
}

test("admins change, suspend, restore and remove members and admins, only owners owners, members no one", () =>
  withWorld(async (world) => {
    const { ours, router } = world;
    const callers = { member: ours.member, admin: ours.admin, owner: ours.owner, service: SERVICE };
    const changes: [string, (id: string) => object][] = [
      ["organizationMemberships.update", (id) => ({ id, set: { status: "suspended" } })],
      ["organizations.suspendMember", (membershipId) => ({ membershipId })],
      ["organizations.restoreMember", (membershipId) => ({ membershipId })],
      ...ROLES.map((role): [string, (id: string) => object] => [
        "organizationMemberships.update",
        (id) => ({ id, set: { role } }),
      ]),
      ["organizationMemberships.delete", (id) => ({ id })],
    ];
    for (const [who, principal] of Object.entries(callers)) {
      for (const target of ROLES) {
        for (const [method, paramsOf] of changes) {
          const { id } = await another(world, target);
          const params = paramsOf(id);
          const result = await outcome(router.call({ principal, method, params, idempotencyKey: undefined }));
          const ownersAffair = target === "owner" || JSON.stringify(params).includes('"owner"');
          const allowed = who === "owner" || who === "service" || (who === "admin" && !ownersAffair);
          assert.is(result, allowed ? "yes" : "forbidden", `${who} ${method} ${JSON.stringify(params)} on ${target}`);
        }
      }
    }
  }));

test("every change of a membership touches its user and returns the result", () =>
  withWorld(async (world) => {
    const { ours, call, touched } = world;
    const { person, id } = await another(world, "member");
    const touches = async (change: Promise<unknown>) => {
      touched.length = 0;
      const answer = await change;
      assert.equal(touched, [{ entity: "user", id: person.id }]);
      return answer;
    };
    const raised = await touches(call(ours.admin, "organizationMemberships.update", { id, set: { role: "admin" } }));
    assert.is((raised as { role: string }).role, "admin");
    const suspended = await touches(call(ours.admin, "organizations.suspendMember", { membershipId: id }));
    assert.is((suspended as { status: string }).status, "suspended");
    const restored = await touches(call(ours.admin, "organizations.restoreMember", { membershipId: id }));
    assert.is((restored as { status: string }).status, "active");
    assert.equal(await touches(call(ours.admin, "organizationMemberships.delete", { id })), { id });
  }));

test("no user raises its own role, or another user's by a role that it has just lost", () =>
  withWorld(async (world) => {
    const { ours, call, refusal, database } = world;
    const own = await membershipOf(world, ours, ours.admin);
    const raise = { id: own, set: { role: "owner" as const } };
    assert.is((await refusal(ours.admin, "organizationMemberships.update", raise)).code, "forbidden");
    const member = { id: ours.membershipId, set: { role: "admin" as const } };
    assert.is((await refusal(ours.member, "organizationMemberships.update", member)).code, "forbidden");
    // On another node: this node's cache still has the admin role.
    await database.query((sql) => sql`UPDATE organization_memberships SET role = 'member' WHERE id = ${own}`);
    const back = { id: own, set: { role: "admin" as const } };
    assert.is((await refusal(ours.admin, "organizationMemberships.update", back)).code, "forbidden");
    assert.is((await refusal(ours.admin, "organizationMemberships.update", member)).code, "forbidden");
    const { organizationId } = ours;
    assert.is(
      (await refusal(ours.admin, "organizations.invite", { organizationId, email: "a@b.test" })).code,
      "forbidden",
    );
    await database.query(
      (sql) => sql`UPDATE organization_memberships SET role = 'admin', status = 'suspended' WHERE id = ${own}`,
    );
    assert.is((await refusal(ours.admin, "organizations.restoreMember", { membershipId: own })).code, "forbidden");
    await call(ours.owner, "organizations.restoreMember", { membershipId: own });
    assert.is(
      (await call(ours.admin, "organizationMemberships.update", { id: own, set: { role: "member" } })).role,
      "member",
    );
  }));

test("no caller can demote, suspend or remove the last active owner", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const id = await membershipOf(world, ours, ours.owner);
    for (const who of [ours.owner, SERVICE]) {
      assert.is(
        (await refusal(who, "organizationMemberships.update", { id, set: { role: "admin" } })).code,
        "conflict",
      );
      assert.is((await refusal(who, "organizations.suspendMember", { membershipId: id })).code, "conflict");
      assert.is((await refusal(who, "organizationMemberships.delete", { id })).code, "conflict");
    }
    const { id: second } = await another(world, "owner");
    await call(ours.owner, "organizations.suspendMember", { membershipId: second });
    assert.is((await refusal(ours.owner, "organizationMemberships.delete", { id })).code, "conflict");
    await call(ours.owner, "organizations.restoreMember", { membershipId: second });
    assert.equal(await call(ours.owner, "organizationMemberships.delete", { id }), { id });
  }));

test("a call waits for a concurrent demotion of its caller and then changes nothing", () =>
  withWorld(async (world) => {
    const { ours, database, router } = world;
    const params = { id: ours.membershipId, set: { role: "admin" } };
    const call = { principal: ours.admin, method: "organizationMemberships.update", params, idempotencyKey: undefined };
    let pending: Promise<string> | undefined;
    await database.transaction("test", async (sql) => {
      await sql`UPDATE organization_memberships SET role = 'member' WHERE user_id = ${ours.admin.id}`;
      pending = outcome(router.call(call));
      await until("the call waits", () => waiting(world));
    });
    assert.is(await pending, "forbidden");
  }));

test("of two owners who concurrently remove each other, one remains", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const { person, id } = await another(world, "owner");
    const first = await membershipOf(world, ours, ours.owner);
    const outcomes = await Promise.all([
      outcome(call(ours.owner, "organizationMemberships.update", { id, set: { role: "member" } })),
      outcome(call(person, "organizationMemberships.update", { id: first, set: { role: "member" } })),
    ]);
    assert.equal(outcomes.sort(), ["forbidden", "yes"]);
    const owners = await database.query(
      (sql) =>
        sql`SELECT FROM organization_memberships WHERE organization_id = ${ours.organizationId} AND role = 'owner'`,
    );
    assert.is(owners.length, 1);
  }));

test("every member can leave, except a suspended one", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const left = await another(world, "member");
    await call(left.person, "organizationMemberships.delete", { id: left.id });
    assert.equal((await call(left.person, "organizations.list", {})).items, []);
    const held = await another(world, "admin");
    await call(ours.admin, "organizations.suspendMember", { membershipId: held.id });
    assert.is((await call(held.person, "organizationMemberships.get", { id: held.id })).status, "suspended");
    assert.is((await refusal(held.person, "organizationMemberships.delete", { id: held.id })).code, "forbidden");
    const other = { id: ours.membershipId };
    assert.is((await refusal(held.person, "organizationMemberships.get", other)).code, "not_found");
    assert.is((await refusal(ours.member, "organizationMemberships.delete", { id: held.id })).code, "forbidden");
  }));

test("memberships are listed within the caller's organizations, by user, role and status", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call } = world;
    const listed = async (params: object) =>
      (await call(ours.member, "organizationMemberships.list", params)).items.map(({ email }) => email.split("@")[0]);
    const allMembers = [ours.owner, ours.admin, ours.member].map(({ id }) => id).sort();
    assert.equal((await listed({})).sort(), allMembers);
    assert.equal((await listed({ projectId: ours.projectId })).sort(), allMembers);
    assert.equal(await listed({ organizationId: otherTenant.organizationId }), []);
    assert.equal(await listed({ filter: { role: "admin" } }), [ours.admin.id]);
    assert.equal(await listed({ filter: { userId: ours.owner.id } }), [ours.owner.id]);
    assert.equal(await listed({ filter: { userId: otherTenant.owner.id } }), []);
    assert.equal(await listed({ filter: { status: "suspended" } }), []);
    await call(ours.owner, "organizations.suspendMember", {
      membershipId: await membershipOf(world, ours, ours.admin),
    });
    assert.equal(await listed({ filter: { status: "suspended" } }), [ours.admin.id]);
  }));

test("users create invitations and services create memberships, and only for users they can see", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal, database } = world;
    const { organizationId } = ours;
    const create = (who: Principal, userId: string, role?: Role) =>
      refusal(who, "organizationMemberships.create", { organizationId, userId, ...(role && { role }) });
    const missing = await create(ours.admin, `user_${ulid()}`);
    const foreign = await create(ours.admin, otherTenant.member.id);
    assert.equal([foreign.code, foreign.message], ["not_found", missing.message]);
    assert.is((await create(ours.member, ours.owner.id)).code, "forbidden");
    assert.is((await create(ours.owner, ours.member.id)).code, "conflict");
    // A user whom the admin knows from another organization.
    await database.query(
      (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id)
        VALUES (${`orgmem_${ulid()}`}, ${otherTenant.organizationId}, ${ours.admin.id})`,
    );
    world.forget([{ entity: "user", id: ours.admin.id }]);
    assert.is((await create(ours.admin, otherTenant.member.id, "owner")).code, "forbidden");
    const asked = await call(ours.admin, "organizationMemberships.create", {
      organizationId,
      userId: otherTenant.member.id,
    });
    assert.equal(
      [asked.status, asked.role, asked.invitedBy, asked.joinedAt],
      ["invited", "member", ours.admin.id, null],
    );
    assert.is((await refusal(otherTenant.member, "organizations.get", { id: organizationId })).code, "not_found");
    const made = await call(SERVICE, "organizationMemberships.create", {
      organizationId,
      userId: otherTenant.owner.id,
      role: "owner",
    });
    assert.equal([made.status, made.role, made.invitedBy, made.invitedAt], ["active", "owner", null, null]);
    assert.ok(made.joinedAt);
    assert.is((await call(otherTenant.owner, "organizations.get", { id: organizationId })).id, organizationId);
  }));

test("a placeholder user can't become a member, not even by a service", () =>
  withWorld(async ({ ours, call, refusal, database }) => {
    const { organizationId } = ours;
    await call(ours.admin, "organizations.invite", { organizationId, email: "new@example.test" });
    const [place] = await database.query(
      (sql) => sql<{ id: string }[]>`SELECT id FROM users WHERE email = 'new@example.test'`,
    );
    const params = { organizationId, userId: place?.id };
    assert.is((await refusal(SERVICE, "organizationMemberships.create", params)).code, "not_found");
  }));

test("an admin who has been demoted does not get a replay of the earlier answer", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const params = { id: ours.membershipId, set: { role: "admin" as const } };
    const first = await call(ours.admin, "organizationMemberships.update", params, "k");
    assert.equal(await call(ours.admin, "organizationMemberships.update", params, "k"), first);
    const id = await membershipOf(world, ours, ours.admin);
    await call(ours.owner, "organizationMemberships.update", { id, set: { role: "member" } });
    assert.is((await refusal(ours.admin, "organizationMemberships.update", params, "k")).code, "forbidden");
  }));

async function joined({ database, organizationId, mint }: TestHub): Promise<{ token: string; membershipId: string }> {
  const [id, membershipId] = [`user_${ulid()}`, `orgmem_${ulid()}`];
  await database.query(
    (sql) => sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, 'm', 'm@test.invalid')`,
  );
  await database.query(
    (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id)
      VALUES (${membershipId}, ${organizationId}, ${id})`,
  );
  return { token: await mint("m"), membershipId };
}

// The rights watch runs every five seconds. An earlier effect comes from the call.
test("a suspended user loses its subscriptions immediately", () =>
  withHub({}, async (hub) => {
    const { token, membershipId } = await joined(hub);
    const [member, owner] = await hub.connectAll(token, hub.userToken);
    await member.request("subscribe", { channel: hub.taskChannel });
    await owner.request("rpc", { method: "organizations.suspendMember", params: { membershipId } });
    const [channel, error] = await member.push("unsubscribed", () => true, 2_000);
    assert.equal([channel, (error as { code: string }).code], [hub.taskChannel, "forbidden"]);
    await owner.request("rpc", { method: "organizations.restoreMember", params: { membershipId } });
    await member.request("subscribe", { channel: hub.taskChannel });
  }));

test.run();
