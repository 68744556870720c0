import * as assert from "uvu/assert";
import type { Change } from "../../hub/feed/change.ts";
import { publicationOf } from "../../hub/feed/publications.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { takeOnce } from "../feed/taken.ts";
import { SERVICE, seen, user, type World, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc invited addresses");
const ADDRESS = "new@example.test";
/** As stored in the user's own row. */
const SPELLED = "New@Example.test";

/** The user of an invitation, which its organization never learns. */
async function personOf({ database }: World, id: string): Promise<unknown> {
  const [row] = await database.query((sql) => sql`SELECT user_id FROM organization_memberships WHERE id = ${id}`);
  return row?.user_id;
}

/** Everything that an admin of our organization can read about its users. */
async function known({ ours, call }: World, id: string): Promise<unknown> {
  const { admin, organizationId } = ours;
  return {
    membership: await call(admin, "organizationMemberships.get", { id }),
    memberships: await call(admin, "organizationMemberships.list", { organizationId }),
    invited: await call(admin, "organizationMemberships.list", { filter: { status: "invited" } }),
    people: await call(admin, "users.list", { organizationId }),
    newest: await call(admin, "audit.list", { organizationId }),
    oldest: await call(admin, "audit.list", { organizationId, after: 0 }),
  };
}

/** The changes that wait for publication. */
async function changes({ database }: World): Promise<Change[]> {
  return (await takeOnce(new ChangeFeedStore(database), 1_000)) ?? [];
}

function invite({ ours, call }: World, email = ADDRESS) {
  return call(ours.admin, "organizations.invite", { organizationId: ours.organizationId, email });
}

test("nothing an admin can read or receive changes when the invited user first connects", () =>
  withWorld(async (world) => {
    const { ours, database } = world;
    const person = await user(database, null, "member");
    const { id } = await invite(world);
    const before = await known(world, id);
    await changes(world);
    await seen(world, person, SPELLED);
    assert.is(await personOf(world, id), person.id, "the invitation was linked to its user");
    assert.equal(await known(world, id), before);
    const pending = await changes(world);
    assert.equal(pending.map(publicationOf).filter(Boolean), []);
    assert.not.ok(pending.some(({ organizationId }) => organizationId === ours.organizationId));
    assert.not.ok(JSON.stringify(before).includes(person.id));
  }));

test("inviting again returns the one invitation, whether or not its user has connected", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const invitations = [await invite(world), await invite(world, "unknown@example.test")];
    await seen(world, await user(database, null, "member"), SPELLED);
    const again = [await invite(world), await invite(world, "unknown@example.test")];
    for (const [index, renewed] of again.entries()) {
      const { updatedAt, invitedAt } = renewed;
      assert.equal(renewed, { ...invitations[index], updatedAt, invitedAt });
    }
    const { items } = await call(ours.admin, "organizationMemberships.list", { filter: { status: "invited" } });
    assert.equal(items, again);
  }));

test("changes and withdrawals get the same answers, whether or not the user has connected", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const answers = [];
    await seen(world, await user(database, null, "member"), "elsewhere@example.test");
    for (const email of [ADDRESS, "unknown@example.test"]) {
      const { id, updatedAt } = await invite(world, email);
      if (email === ADDRESS) await seen(world, await user(database, null, "member"), SPELLED);
      const raised = await call(ours.admin, "organizationMemberships.update", {
        id,
        set: { role: "admin" },
        ifUpdatedAt: updatedAt,
      });
      const removed = await call(ours.admin, "organizationMemberships.delete", { id });
      const { items } = await call(ours.admin, "audit.list", { filter: { rowId: id } });
      answers.push(JSON.stringify([raised, removed, items]).replaceAll(id, "ID").replaceAll(email, "EMAIL"));
    }
    const [linked, unlinked] = answers.map((text) =>
      text.replaceAll(/"\d{4}-[^"]+Z"/g, '"AT"').replaceAll(/"id":\d+/g, '"id":0'),
    );
    assert.is(linked, unlinked);
    assert.ok(linked?.includes("deleted"));
  }));

test("the invited user sees the invited address, and its own address after accepting", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const person = await user(database, null, "member");
    const own = `${person.id}@example.test`;
    const { id } = await invite(world);
    await seen(world, person, SPELLED);
    await database.query((sql) => sql`UPDATE users SET email = ${own} WHERE id = ${person.id}`);
    assert.is((await call(person, "organizationMemberships.get", { id })).email, ADDRESS);
    assert.is((await call(SERVICE, "organizationMemberships.get", { id })).email, ADDRESS);
    const accepted = await call(person, "organizations.acceptInvite", { organizationId: ours.organizationId });
    assert.is(accepted.email, own);
    assert.is((await call(ours.admin, "organizationMemberships.get", { id })).email, own);
  }));

test("an accepted invitation gives rights to the user it was linked to", () =>
  withWorld(async (world) => {
    const { ours, call, database } = world;
    const person = await user(database, null, "member");
    await invite(world);
    await seen(world, person, SPELLED);
    const feed = new ChangeFeedStore(database);
    await feed.look();
    await call(person, "organizations.acceptInvite", { organizationId: ours.organizationId });
    const { changes: rights } = await feed.look();
    assert.equal(
      rights.map(({ entity, userId }) => [entity, userId]),
      [["organization_memberships", person.id]],
    );
  }));

test("inviting a member's address is rejected, as admins can list members; other addresses are not", () =>
  withWorld(async (world) => {
    const { ours, otherTenant, call, refusal } = world;
    const { organizationId } = ours;
    const asked = (email: string) => refusal(ours.admin, "organizations.invite", { organizationId, email });
    const { code, details } = await asked(`${ours.member.id}@EXAMPLE.test`);
    assert.equal([code, (details as { path: string }[])[0]?.path], ["conflict", "email"]);
    await call(ours.admin, "organizations.suspendMember", { membershipId: ours.membershipId });
    assert.is((await asked(`${ours.member.id}@example.test`)).code, "conflict");
    assert.is((await invite(world, `${otherTenant.member.id}@example.test`)).status, "invited");
    // Callers that may not invite do not learn it either.
    const member = { organizationId, email: `${ours.admin.id}@example.test` };
    assert.is((await refusal(otherTenant.admin, "organizations.invite", member)).code, "not_found");
  }));

test("a second address of an invited user does not reveal the user, and ends when the user is a member", () =>
  withWorld(async (world) => {
    const { ours, call, refusal, database } = world;
    const person = await user(database, null, "member");
    await invite(world);
    await seen(world, person, SPELLED);
    const second = await invite(world, "second@example.test");
    const before = await known(world, second.id);
    await seen(world, person, "second@example.test");
    assert.equal(await known(world, second.id), before);
    await call(person, "organizations.acceptInvite", { organizationId: ours.organizationId });
    await seen(world, person, "second@example.test");
    assert.is((await refusal(ours.admin, "organizationMemberships.get", { id: second.id })).code, "not_found");
  }));

test.run();
