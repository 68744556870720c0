import { ulid } from "ulid";
import type { TestHub } from "./hub.ts";

/** A user who is a member of these organizations, with a token. */
export async function memberOf(hub: TestHub, roles: Record<string, string>): Promise<{ id: string; token: string }> {
  const [id, subject] = [`user_${ulid()}`, ulid().toLowerCase()];
  await hub.database.transaction("test", async (sql) => {
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${subject}, ${`${subject}@test.invalid`})`;
    for (const [organization, role] of Object.entries(roles)) {
      await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role)
        VALUES (${`orgmem_${ulid()}`}, ${organization}, ${id}, ${role})`;
    }
  });
  return { id, token: await hub.mint(subject) };
}
