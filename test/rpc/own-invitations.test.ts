import type { OrganizationMembership, OwnInvitation, Page } from "@monster-realtime/client/protocol";
import { equal, is, match, ok } from "uvu/assert";
import { newId } from "../../hub/kernel/ids.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("own invitations");
const ADDRESS = "guest@test.invalid";

const rpc = async <Result>(client: RawClient, method: string, params: object = {}) =>
  (await client.request("rpc", { method, params })) as Result;
const invitations = async (client: RawClient) =>
  (await rpc<{ items: OwnInvitation[] }>(client, "organizations.invitations")).items;
const pushes = (client: RawClient) => client.received("invitations").length;

/** A guest whose token proves the address, an open connection of the guest, and the owner who can invite. */
function withGuest(
  body: (scene: { hub: TestHub; owner: RawClient; guest: RawClient }) => Promise<void>,
): Promise<void> {
  return withHub({}, async (hub) => {
    const [owner, guest] = await hub.connectAll(hub.userToken, await hub.mint("guest"));
    await body({ hub, owner, guest });
  });
}

test("an invitation is pushed to the user's open connections, listed and accepted there", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const { organizationId } = hub;
    const second = await hub.connect(await hub.mint("guest"));
    equal(await invitations(guest), []);
    const invited = await rpc<OrganizationMembership>(owner, "organizations.invite", {
      organizationId,
      email: "Guest@Test.invalid",
      role: "admin",
    });
    for (const client of [guest, second]) await until("the push", () => pushes(client) === 1);
    const expected = {
      membershipId: invited.id,
      organizationId,
      organizationName: "Tenant",
      email: ADDRESS,
      role: "admin",
      invitedBy: hub.userId,
      invitedAt: invited.invitedAt,
    };
    equal(await invitations(guest), [expected]);
    const accepted = await rpc<OrganizationMembership>(guest, "organizations.acceptInvite", { organizationId });
    equal([accepted.id, accepted.status, accepted.role], [invited.id, "active", "admin"]);
    await until("its other page receives a push too", () => pushes(second) === 2);
    equal(await invitations(second), []);
    is((await rpc<{ id: string }>(second, "organizations.get", { id: organizationId })).id, organizationId);
    is((await guest.request("subscribe", { channel: hub.taskChannel })).channel, hub.taskChannel);
    equal([pushes(owner), guest.disconnectReason], [0, null]);
    const places = await hub.database.query((sql) => sql`SELECT FROM users WHERE email = ${ADDRESS}`);
    is(places.length, 1, "the placeholder of the invitation is removed");
  }));

test("withdrawn invitations, and those of a deleted organization, disappear and can't be accepted", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const { organizationId } = hub;
    const invite = () => rpc<OrganizationMembership>(owner, "organizations.invite", { organizationId, email: ADDRESS });
    const { id } = await invite();
    await until("the invitation", () => pushes(guest) === 1);
    await rpc(owner, "organizationMemberships.delete", { id });
    await until("the withdrawal", () => pushes(guest) === 2);
    equal(await invitations(guest), []);
    const params = { organizationId };
    for (const method of ["organizations.acceptInvite", "organizations.declineInvite"])
      is((await guest.refused("rpc", { method, params })).code, "not_found");
    await invite();
    await rpc(owner, "organizations.delete", { id: organizationId });
    equal(await invitations(guest), []);
    is((await guest.refused("rpc", { method: "organizations.acceptInvite", params })).code, "not_found");
  }));

test("only the invited user can decline an invitation, and a member has none to decline", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const params = { organizationId: hub.organizationId };
    await rpc(owner, "organizations.invite", { ...params, email: ADDRESS });
    is((await owner.refused("rpc", { method: "organizations.declineInvite", params })).code, "conflict");
    equal(await rpc(guest, "organizations.declineInvite", params), params);
    equal(await invitations(guest), []);
    is((await guest.refused("rpc", { method: "organizations.declineInvite", params })).code, "not_found");
    for (const token of [hub.workstation.token, hub.serviceToken]) {
      const client = await hub.connect(token);
      for (const method of ["organizations.invitations", "organizations.declineInvite"]) {
        const given = method.endsWith("invitations") ? {} : params;
        is((await client.refused("rpc", { method, params: given })).code, "forbidden");
      }
    }
  }));

test("an organization gets the same answers, whether the address belongs to a connected user or to no user", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const { organizationId } = hub;
    const invite = (email: string) =>
      rpc<OrganizationMembership>(owner, "organizations.invite", { organizationId, email });
    const ofUnknown = await invite("unknown@test.invalid");
    const ofGuest = await invite(ADDRESS);
    await until("the guest knows", async () => pushes(guest) === 1 && (await invitations(guest)).length === 1);
    const answersTo = async ({ id, email }: OrganizationMembership) => {
      const membership = await rpc<object>(owner, "organizationMemberships.get", { id });
      const { items } = await rpc<{ items: object[] }>(owner, "audit.list", { filter: { rowId: id } });
      const text = JSON.stringify({ membership, items });
      return text
        .replaceAll(id, "ID")
        .replaceAll(email, "ADDRESS")
        .replace(/"id":\d+|"\d{4}-[^"]*Z"/g, "N");
    };
    is(await answersTo(ofGuest), await answersTo(ofUnknown));
    const [row] = await hub.database.query(
      (sql) => sql`SELECT count(*)::int AS n, max(id)::int AS newest, (SELECT max(id)::int FROM audit_events
        WHERE row_id = ${ofGuest.id}) AS made FROM audit_events`,
    );
    is(row?.newest, row?.made, "linking uses no id of the trail");
  }));

test("the address must be verified: no other user's connection receives, lists or accepts the invitation", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const { organizationId } = hub;
    await hub.database.query((sql) => sql`UPDATE users SET email = 'claimed@test.invalid' WHERE email = ${ADDRESS}`);
    await rpc(owner, "organizations.invite", { organizationId, email: "claimed@test.invalid" });
    const other = await rpc<OrganizationMembership>(owner, "organizations.invite", { organizationId, email: ADDRESS });
    await until("the push to the guest's connection", () => pushes(guest) === 1);
    equal(
      (await invitations(guest)).map(({ membershipId }) => membershipId),
      [other.id],
    );
    ok(pushes(owner) === 0);
  }));

/** Organizations of one attacker that all invite the guest at the same time, oldest first. */
async function inviteOften(hub: TestHub, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => ({ org: `org_${newId()}`, membership: `orgmem_${newId()}` }));
  const place = `user_${newId()}`;
  await hub.database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${place}, ${`pending:${newId()}`}, ${ADDRESS})`;
    for (const { org, membership } of ids) {
      await sql`INSERT INTO organizations (id, name, slug) VALUES (${org}, 'Many', ${org.toLowerCase()})`;
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id, status, invited_at, invited_email)
        VALUES (${membership}, ${org}, ${place}, 'invited', now(), ${ADDRESS})`;
    }
  });
  return ids.map(({ membership }) => membership);
}

test("every invitation of a user is on some page, newest first, for any number of organizations", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const real = await rpc<OrganizationMembership>(owner, "organizations.invite", {
      organizationId: hub.organizationId,
      email: ADDRESS,
    });
    const others = await inviteOften(hub, 201);
    const listed: string[] = [];
    let cursor: string | null = null;
    do {
      const params: object = { limit: 100, ...(cursor === null ? {} : { cursor }) };
      const page = await rpc<Page<OwnInvitation>>(guest, "organizations.invitations", params);
      listed.push(...page.items.map(({ membershipId }) => membershipId));
      cursor = page.nextCursor;
    } while (cursor !== null);
    equal(listed, [...others.sort().reverse(), real.id]);
    const foreign = { cursor: "made-up" };
    is((await guest.refused("rpc", { method: "organizations.invitations", params: foreign })).code, "bad_request");
  }));

test("repeated renewals of an invitation are pushed once per second, including the last change", () =>
  withGuest(async ({ hub, owner, guest }) => {
    const { organizationId } = hub;
    const begun = performance.now();
    for (let count = 0; count < 30; count++) {
      const role = count % 2 === 0 ? "member" : "admin";
      await rpc(owner, "organizations.invite", { organizationId, email: ADDRESS, role });
    }
    const { id } = await rpc<OrganizationMembership>(owner, "organizations.invite", { organizationId, email: ADDRESS });
    await until("the first push", () => pushes(guest) > 0);
    const before = pushes(guest);
    await rpc(owner, "organizationMemberships.delete", { id });
    await until("the push of the last change", () => pushes(guest) > before);
    const elapsedSeconds = (performance.now() - begun) / 1_000;
    ok(pushes(guest) <= 1 + Math.ceil(elapsedSeconds), `${pushes(guest)} pushes in ${elapsedSeconds} s`);
    equal(await invitations(guest), []);
  }));

test("an organization has at most 10,000 open invitations; it can still renew and withdraw them", () =>
  withGuest(async ({ hub, owner }) => {
    const { organizationId } = hub;
    await hub.database.unlimited.begin(async (sql) => {
      await sql`SET LOCAL session_replication_role = replica`;
      await sql`INSERT INTO users (id, monster_auth_user_id, email)
        SELECT 'user_' || lpad(n::text, 26, '0'), 'pending:' || n, n || '@test.invalid' FROM generate_series(1, 9999) n`;
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id, status, invited_email)
        SELECT 'orgmem_' || lpad(n::text, 26, '0'), ${organizationId}, 'user_' || lpad(n::text, 26, '0'), 'invited',
          n || '@test.invalid' FROM generate_series(1, 9999) n`;
    });
    const invite = { method: "organizations.invite", params: { organizationId, email: ADDRESS } };
    const { id } = await rpc<OrganizationMembership>(owner, invite.method, invite.params);
    const another = { ...invite, params: { organizationId, email: "another@test.invalid" } };
    const refusal = await owner.refused("rpc", another);
    is(refusal.code, "conflict");
    match(refusal.message, /10000 open invitations.*Withdraw some/);
    is((await rpc<OrganizationMembership>(owner, invite.method, { ...invite.params, role: "admin" })).id, id);
    await rpc(owner, "organizationMemberships.delete", { id });
    await rpc(owner, another.method, another.params);
  }));

test.run();
