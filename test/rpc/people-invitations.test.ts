import type { OrganizationMembership } from "@monster-realtime/client/protocol";
import * as assert from "uvu/assert";
import type { Principal } from "../../hub/auth/principal.ts";
import { SERVICE, seen, user, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc invitations");
const ADDRESS = "new@example.test";

async function places({ database }: World, email = ADDRESS): Promise<string[]> {
  const rows = await database.query((sql) => sql<{ id: string }[]>`SELECT id FROM users WHERE email = ${email}`);
  return rows.map(({ id }) => id);
}

/** An answer without the fields that differ between any two invitations. */
function shape({
  id: _,
  email: __,
  createdAt: ___,
  updatedAt: ____,
  invitedAt: _____,
  ...rest
}: OrganizationMembership) {
  return rest;
}

test("invitations get the same answer for unknown addresses, users, members of other tenants and invited addresses", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, database } = world;
    const { organizationId } = ours;
    const known = await user(database, null, "member");
    await call(otherTenant.admin, "organizations.invite", {
      organizationId: otherTenant.organizationId,
      email: "elsewhere@example.test",
    });
    const people = await database.query((sql) => sql`SELECT * FROM users ORDER BY id`);
    const emails = [
      ADDRESS,
      `${known.id}@example.test`,
      `${otherTenant.member.id}@example.test`,
      "elsewhere@example.test",
    ];
    const answers = [];
    for (const email of emails) answers.push(await call(ours.admin, "organizations.invite", { organizationId, email }));
    const expected = {
      organizationId,
      userId: null,
      role: "member",
      status: "invited",
      invitedBy: ours.admin.id,
      joinedAt: null,
    };
    for (const [index, answer] of answers.entries()) {
      assert.equal(shape(answer), expected);
      assert.is(answer.email, emails[index]?.toLowerCase());
      assert.equal(await call(ours.member, "organizationMemberships.get", { id: answer.id }), answer);
    }
    const { items } = await call(ours.owner, "organizationMemberships.list", { filter: { status: "invited" } });
    assert.equal(items, answers);
    // No existing row of a user was written, and no user became visible.
    const after = await database.query((sql) => sql`SELECT * FROM users ORDER BY id`);
    const ids = new Set(people.map(({ id }) => id));
    assert.equal(
      [...after].filter(({ id }) => ids.has(id)),
      [...people],
    );
    assert.is((await call(ours.owner, "users.list", {})).items.length, 3);
    assert.is((await call(ours.member, "tasks.get", { id: ours.taskId })).id, ours.taskId);
  }));

test("an address has one invitation, for any number of calls and any spelling, with the newest role", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call } = world;
    const { organizationId } = ours;
    const first = await call(ours.admin, "organizations.invite", { organizationId, email: "New@Example.test" });
    assert.is(first.email, ADDRESS);
    const raised = await call(ours.owner, "organizations.invite", { organizationId, email: ADDRESS, role: "admin" });
    assert.equal([raised.id, raised.role, raised.invitedBy], [first.id, "admin", ours.owner.id]);
    assert.ok((raised.invitedAt ?? "") >= (first.invitedAt ?? ""));
    const again = await call(SERVICE, "organizations.invite", { organizationId, email: "NEW@example.test" });
    assert.equal([again.id, again.role, again.invitedBy], [first.id, "admin", null]);
    await call(otherTenant.admin, "organizations.invite", {
      organizationId: otherTenant.organizationId,
      email: ADDRESS,
    });
    assert.is((await places(world)).length, 1);
  }));

test("concurrent invitations by several organizations create one placeholder and one membership each", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, database } = world;
    for (let round = 0; round < 10; round += 1) {
      const email = `round-${round}@example.test`;
      const written = [email, email.toUpperCase()];
      const invited = await Promise.all(
        [ours, otherTenant].flatMap(({ admin, organizationId }) =>
          written.map((asked) => call(admin, "organizations.invite", { organizationId, email: asked })),
        ),
      );
      assert.is(new Set(invited.map(({ id }) => id)).size, 2);
      assert.is((await places(world, email)).length, 1);
    }
    const rows = await database.query((sql) => sql`SELECT FROM organization_memberships WHERE status = 'invited'`);
    assert.is(rows.length, 20);
  }));

test("admins invite up to admin, owners also owners, members no one, and no caller to another organization", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const { organizationId } = ours;
    const asked = { organizationId, email: ADDRESS };
    assert.is((await refusal(ours.member, "organizations.invite", asked)).code, "forbidden");
    assert.is((await refusal(ours.workstation, "organizations.invite", asked)).code, "forbidden");
    assert.is((await refusal(ours.admin, "organizations.invite", { ...asked, role: "owner" })).code, "forbidden");
    assert.is((await refusal(otherTenant.owner, "organizations.invite", asked)).code, "not_found");
    assert.is((await call(ours.owner, "organizations.invite", { ...asked, role: "owner" })).role, "owner");
    assert.is((await refusal(ours.admin, "organizations.invite", { ...asked, role: "member" })).code, "forbidden");
    for (const email of ["nobody", "a b@example.test", "", `${"a".repeat(255)}@example.test`]) {
      const { code, details } = await refusal(ours.admin, "organizations.invite", { organizationId, email });
      assert.equal([code, (details as { path: string }[])[0]?.path], ["bad_request", "email"]);
    }
  }));

test("an invitation gives no rights until its user accepts it, and only that user can find it", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal, touched, database } = world;
    const { organizationId } = ours;
    const person = await user(database, null, "member");
    const invitation = await call(ours.admin, "organizations.invite", {
      organizationId,
      email: ADDRESS,
      role: "admin",
    });
    const early = await refusal(person, "organizations.acceptInvite", { organizationId });
    const none = await refusal(person, "organizations.acceptInvite", { organizationId: otherTenant.organizationId });
    assert.equal([early.code, early.message], ["not_found", none.message]);
    await seen(world, person, ADDRESS);
    world.forget([{ entity: "user", id: person.id }]);
    assert.is((await refusal(person, "organizations.get", { id: organizationId })).code, "not_found");
    assert.equal((await call(person, "tasks.list", {})).items, []);
    const mine = { filter: { userId: person.id } };
    const { items } = await call(person, "organizationMemberships.list", mine);
    assert.equal(
      items.map(({ id, userId, status }) => [id, userId, status]),
      [[invitation.id, person.id, "invited"]],
    );
    // Other callers do not learn who owns the address.
    assert.is((await call(ours.owner, "organizationMemberships.get", { id: invitation.id })).userId, null);
    assert.equal((await call(ours.owner, "organizationMemberships.list", mine)).items, []);
    const bound: Principal = { kind: "service", id: "bound", organizations: [organizationId] };
    assert.is((await call(bound, "organizationMemberships.get", { id: invitation.id })).userId, null);
    assert.is((await call(SERVICE, "organizationMemberships.get", { id: invitation.id })).userId, person.id);
    touched.length = 0;
    const accepted = await call(person, "organizations.acceptInvite", { organizationId });
    assert.equal([accepted.id, accepted.status, accepted.role], [invitation.id, "active", "admin"]);
    assert.ok(accepted.joinedAt);
    assert.equal(touched, [{ entity: "user", id: person.id }]);
    assert.is((await call(person, "organizations.get", { id: organizationId })).id, organizationId);
    assert.equal((await call(ours.owner, "organizationMemberships.list", mine)).items, [accepted]);
    assert.equal(await call(person, "organizations.acceptInvite", { organizationId }), accepted);
    assert.is(touched.length, 1);
  }));

test("no other user can accept or activate an invitation; a suspended user gets `suspended` instead", () =>
  withWorld(async (world) => {
    const { ours, call, refusal } = world;
    const { organizationId } = ours;
    const { id } = await call(ours.admin, "organizations.invite", { organizationId, email: ADDRESS });
    for (const who of [ours.owner, SERVICE]) {
      assert.is((await refusal(who, "organizations.restoreMember", { membershipId: id })).code, "conflict");
      assert.is((await refusal(who, "organizations.suspendMember", { membershipId: id })).code, "conflict");
      const activate = { id, set: { status: "active" } };
      assert.is((await refusal(who, "organizationMemberships.update", activate)).code, "conflict");
    }
    assert.is((await refusal(SERVICE, "organizations.acceptInvite", { organizationId })).code, "forbidden");
    await call(ours.admin, "organizationMemberships.update", { id, set: { role: "admin" } });
    await call(ours.admin, "organizations.suspendMember", { membershipId: ours.membershipId });
    assert.is((await refusal(ours.member, "organizations.acceptInvite", { organizationId })).code, "suspended");
  }));

test("users decline and admins withdraw invitations, and the placeholder is removed with the last one", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal, database } = world;
    const invite = (email: string, { admin, organizationId } = ours) =>
      call(admin, "organizations.invite", { organizationId, email });
    const { id } = await invite(ADDRESS);
    const elsewhere = await invite(ADDRESS, otherTenant);
    assert.is((await refusal(ours.member, "organizationMemberships.delete", { id })).code, "forbidden");
    await call(ours.admin, "organizationMemberships.delete", { id });
    assert.is((await places(world)).length, 1);
    await call(otherTenant.admin, "organizationMemberships.delete", { id: elsewhere.id });
    assert.equal(await places(world), []);
    const person = await user(database, null, "member");
    const declined = await invite("other@example.test");
    await seen(world, person, "other@example.test");
    await call(person, "organizationMemberships.delete", { id: declined.id });
    assert.is(
      (await refusal(person, "organizations.acceptInvite", { organizationId: ours.organizationId })).code,
      "not_found",
    );
    assert.is((await call(person, "users.get", { id: person.id })).id, person.id);
  }));

test("an invitation is not lost when a concurrent withdrawal removes the placeholder", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call } = world;
    for (let round = 0; round < 20; round += 1) {
      const email = `round-${round}@example.test`;
      const { id } = await call(ours.admin, "organizations.invite", { organizationId: ours.organizationId, email });
      const [invited] = await Promise.all([
        call(otherTenant.admin, "organizations.invite", { organizationId: otherTenant.organizationId, email }),
        call(ours.admin, "organizationMemberships.delete", { id }),
      ]);
      assert.is((await call(otherTenant.admin, "organizationMemberships.get", { id: invited.id })).email, email);
    }
  }));

test("a repeated invitation replays the first answer without a new invitation", () =>
  withWorld(async (world) => {
    const { ours, call, refusal, database } = world;
    const params = { organizationId: ours.organizationId, email: ADDRESS };
    const first = await call(ours.admin, "organizations.invite", params, "k");
    await call(ours.admin, "organizationMemberships.delete", { id: first.id });
    assert.equal(await call(ours.admin, "organizations.invite", params, "k"), first);
    assert.equal(await places(world), []);
    await database.query(
      (sql) => sql`UPDATE organization_memberships SET role = 'member' WHERE user_id = ${ours.admin.id}`,
    );
    world.forget([{ entity: "user", id: ours.admin.id }]);
    assert.is((await refusal(ours.admin, "organizations.invite", params, "k")).code, "forbidden");
  }));

test("a token for some clients finds only the invitations of their organizations, and accepts none", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal, database } = world;
    const person = await user(database, null, "member");
    await call(ours.owner, "organizations.update", {
      id: ours.organizationId,
      set: { monsterAuthClientId: "our-app" },
    });
    for (const { admin, organizationId } of [ours, otherTenant])
      await call(admin, "organizations.invite", { organizationId, email: ADDRESS });
    await seen(world, person, ADDRESS);
    const limited: Principal = { kind: "user", id: person.id, clientIds: ["our-app"] };
    assert.is((await call(person, "organizationMemberships.list", {})).items.length, 2);
    const { items } = await call(limited, "organizationMemberships.list", {});
    assert.equal(
      items.map(({ organizationId }) => organizationId),
      [ours.organizationId],
    );
    for (const { organizationId } of [ours, otherTenant])
      assert.is((await refusal(limited, "organizations.acceptInvite", { organizationId })).code, "forbidden");
    const accepted = await call(person, "organizations.acceptInvite", { organizationId: ours.organizationId });
    assert.is(accepted.status, "active");
  }));

test.run();
