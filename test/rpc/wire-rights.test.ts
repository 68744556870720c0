import { ulid } from "ulid";
import * as assert from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc rights over the wire");

async function join({ database, organizationId, mint }: TestHub, role: "member" | "admin"): Promise<string> {
  const id = `user_${ulid()}`;
  await database.query(
    (sql) =>
      sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${role}, ${`${role}@test.invalid`})`,
  );
  await database.query(
    (sql) =>
      sql`INSERT INTO organization_memberships (id, organization_id, user_id, role) VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id}, ${role})`,
  );
  return mint(role);
}

test("members, admins, owners, workstations and services have exactly the rights of data.md", () =>
  withHub({}, async (hub) => {
    const { organizationId, projectId, taskId, workstation } = hub;
    const [member, admin] = [await join(hub, "member"), await join(hub, "admin")];
    const clients = await hub.connectAll(member, admin, hub.userToken, workstation.token, hub.serviceToken);
    const calls: [string, object, string][] = [
      ["tasks.get", { id: taskId }, "yes yes yes yes yes"],
      ["tasks.update", { id: taskId, set: { title: "T" } }, "yes yes yes forbidden yes"],
      ["projects.update", { id: projectId, set: { memory: "m" } }, "yes yes yes forbidden yes"],
      ["projects.update", { id: projectId, set: { name: "P" } }, "forbidden yes yes forbidden yes"],
      ["workstations.update", { id: workstation.id, set: { name: "W" } }, "forbidden yes yes forbidden yes"],
      ["organizations.update", { id: organizationId, set: { name: "O" } }, "forbidden forbidden yes forbidden yes"],
    ];
    for (const [method, params, expected] of calls) {
      const acks = await Promise.all(clients.map((client) => client.ack("rpc", { method, params })));
      assert.is(acks.map((ack) => (ack.ok ? "yes" : ack.error.code)).join(" "), expected, method);
    }
  }));

test.run();
