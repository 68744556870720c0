import { ulid } from "ulid";
import * as assert from "uvu/assert";
import type { Principal } from "../../hub/auth/principal.ts";
import { SERVICE, user, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc users");

/** The ids of the users in a caller's list. */
async function seen({ call }: World, who: Principal, params = {}): Promise<string[]> {
  return (await call(who, "users.list", params)).items.map(({ id }) => id);
}

const sorted = (...people: Principal[]) => people.map(({ id }) => id).sort();

async function join({ database }: World, organizationId: string, { id }: Principal, status = "active"): Promise<void> {
  await database.query(
    (sql) => sql`INSERT INTO organization_memberships (id, organization_id, user_id, status)
      VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id}, ${status})`,
  );
}

test("users see only themselves and the active members of their organizations", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, database, refusal } = world;
    const stranger = await user(database, null, "member");
    const invited = await user(database, null, "member");
    const suspended = await user(database, null, "member");
    await join(world, ours.organizationId, invited, "invited");
    await join(world, ours.organizationId, suspended, "suspended");
    assert.equal(await seen(world, ours.member), sorted(ours.owner, ours.admin, ours.member));
    assert.equal(await seen(world, stranger), [stranger.id]);
    assert.equal(await seen(world, invited), [invited.id]);
    assert.equal(await seen(world, suspended), [suspended.id]);
    const missing = await refusal(ours.owner, "users.get", { id: `user_${ulid()}` });
    for (const { id } of [stranger, invited, suspended, otherTenant.member]) {
      const hidden = await refusal(ours.owner, "users.get", { id });
      assert.equal([hidden.code, hidden.message], [missing.code, missing.message]);
    }
  }));

test("a shared organization does not reveal a user's membership in another organization", () =>
  withWorld(async (world) => {
    const { ours, otherTenant } = world;
    await join(world, otherTenant.organizationId, ours.member);
    assert.ok((await seen(world, ours.owner)).includes(ours.member.id));
    assert.equal(await seen(world, ours.owner, { organizationId: otherTenant.organizationId }), []);
    assert.equal(await seen(world, ours.owner, { projectId: otherTenant.projectId }), []);
    const both = await seen(world, ours.member, { organizationId: otherTenant.organizationId });
    assert.equal(both, sorted(otherTenant.owner, otherTenant.admin, otherTenant.member, ours.member));
  }));

test("services see the users of their organizations, and no placeholder users", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal } = world;
    await call(ours.admin, "organizations.invite", { organizationId: ours.organizationId, email: "new@example.test" });
    const bound: Principal = { kind: "service", id: "bound", organizations: [ours.organizationId] };
    assert.equal(await seen(world, bound), sorted(ours.owner, ours.admin, ours.member));
    assert.is((await refusal(bound, "users.get", { id: otherTenant.owner.id })).code, "not_found");
    assert.is((await seen(world, SERVICE)).length, 6);
    assert.equal(await seen(world, SERVICE, { filter: { email: "new@example.test" } }), []);
    assert.is((await refusal(ours.workstation, "users.get", { id: ours.owner.id })).code, "forbidden");
  }));

test("only the user itself and services see its Monster Auth id", () =>
  withWorld(async ({ ours, call }) => {
    const { id } = ours.member;
    for (const [who, expected] of [
      [ours.owner, null],
      [ours.member, id],
      [SERVICE, id],
    ] as const) {
      assert.is((await call(who, "users.get", { id })).monsterAuthUserId, expected);
      const { items } = await call(who, "users.list", { filter: { email: `${id}@example.test` } });
      assert.equal(
        items.map(({ monsterAuthUserId }) => monsterAuthUserId),
        [expected],
      );
    }
  }));

test("users change their own profile except their address, and no other user's", () =>
  withWorld(async ({ ours, otherTenant, call, refusal }) => {
    const { id } = ours.member;
    const before = await call(ours.member, "users.get", { id });
    const set = { displayName: "Mo", name: null, timezone: "Europe/Berlin", avatarUrl: "https://example.test/mo.png" };
    const changed = await call(ours.member, "users.update", { id, set, ifUpdatedAt: before.updatedAt });
    assert.equal({ ...changed, ...set }, changed);
    assert.is(changed.monsterAuthUserId, id);
    assert.is(
      (await refusal(ours.member, "users.update", { id, set: { email: "me@example.test" } })).code,
      "forbidden",
    );
    assert.is((await refusal(ours.owner, "users.update", { id, set })).code, "forbidden");
    assert.is((await refusal(otherTenant.owner, "users.update", { id, set })).code, "not_found");
    const stale = { id, set, ifUpdatedAt: before.updatedAt };
    assert.is((await refusal(ours.member, "users.update", stale)).code, "conflict");
    for (const bad of [{ timezone: "Mars/Base" }, { avatarUrl: "javascript:alert(1)" }, { avatarUrl: "mo.png" }]) {
      const { code, details } = await refusal(ours.member, "users.update", { id, set: bad });
      assert.is(code, "bad_request");
      assert.is((details as { path: string }[])[0]?.path, `set.${Object.keys(bad)[0]}`);
    }
  }));

test("only a service of all organizations creates, updates and deletes users", () =>
  withWorld(async ({ ours, call, refusal, touched }) => {
    const params = { monsterAuthUserId: "auth0|new", email: "new@example.test", displayName: "New" };
    const bound: Principal = { kind: "service", id: "bound", organizations: [ours.organizationId] };
    for (const who of [ours.owner, ours.workstation, bound])
      assert.is((await refusal(who, "users.create", params)).code, "forbidden");
    const made = await call(SERVICE, "users.create", params);
    assert.equal([made.monsterAuthUserId, made.displayName, made.timezone], ["auth0|new", "New", "UTC"]);
    const taken = await refusal(SERVICE, "users.create", params);
    assert.equal([taken.code, (taken.details as { path: string }[])[0]?.path], ["conflict", "monsterAuthUserId"]);
    const place = await refusal(SERVICE, "users.create", { ...params, monsterAuthUserId: `pending:${ulid()}` });
    assert.is(place.code, "bad_request");
    assert.is((await refusal(SERVICE, "users.create", { ...params, email: "no-address" })).code, "bad_request");
    const { id } = made;
    const set = { email: "newer@example.test" };
    assert.is((await call(SERVICE, "users.update", { id, set })).email, "newer@example.test");
    assert.is((await refusal(bound, "users.update", { id: ours.member.id, set })).code, "forbidden");
    assert.is((await refusal(bound, "users.delete", { id: ours.member.id })).code, "forbidden");
    assert.is((await refusal(ours.member, "users.delete", { id: ours.member.id })).code, "forbidden");
    assert.equal(await call(SERVICE, "users.delete", { id }), { id });
    assert.ok(touched.some((change) => change.entity === "user" && change.id === id));
    assert.is((await refusal(SERVICE, "users.get", { id })).code, "not_found");
  }));

test("deleting a user deletes its memberships, unless an organization would be left without an owner", () =>
  withWorld(async ({ ours, call, refusal }) => {
    assert.is((await refusal(SERVICE, "users.delete", { id: ours.owner.id })).code, "conflict");
    await call(SERVICE, "users.delete", { id: ours.member.id });
    const { items } = await call(ours.owner, "organizationMemberships.list", {});
    assert.equal(items.map(({ userId }) => userId).sort(), sorted(ours.owner, ours.admin));
  }));

test("a repeated update of a profile is replayed only to callers that may still make it", () =>
  withWorld(async ({ ours, call, refusal }) => {
    const { id } = ours.member;
    const params = { id, set: { displayName: "Once" } };
    const first = await call(ours.member, "users.update", params, "k");
    assert.equal(await call(ours.member, "users.update", params, "k"), first);
    await call(SERVICE, "users.update", params, "k");
    const bound: Principal = { ...SERVICE, kind: "service", organizations: [ours.organizationId] };
    assert.is((await refusal(bound, "users.update", params, "k")).code, "forbidden");
  }));

test("a list of users continues where its page ended", () =>
  withWorld(async ({ ours, call }) => {
    const first = await call(ours.member, "users.list", { limit: 2 });
    const rest = await call(ours.member, "users.list", { limit: 2, cursor: first.nextCursor ?? "" });
    const ids = [...first.items, ...rest.items].map(({ id }) => id);
    assert.equal(ids, sorted(ours.owner, ours.admin, ours.member));
    assert.is(rest.nextCursor, null);
  }));

test.run();
