import type { Role } from "@monster-realtime/client/protocol";
import type {
  FactKind,
  FactSource,
  FactsByKind,
  Membership,
  ProjectFacts,
  TaskFacts,
  UserClaims,
  UserFacts,
  WorkstationFacts,
} from "../auth/facts.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";
import type { Database } from "./database.ts";
import { Invitations } from "./invitations.ts";

/** The hub's own principal in the audit trail. */
const HUB = "service:hub";
const UNKNOWN_EMAIL_DOMAIN = "unknown.invalid";

interface KnownUser {
  id: string;
  subject: string;
  email: string;
  name: string | null;
  idle: boolean;
}

/** Facts from the rows in Postgres. */
export class PostgresFacts implements FactSource {
  readonly #database: Database;
  readonly #invitations: Invitations;
  readonly #log: Logger;
  readonly #loaders: { readonly [Kind in FactKind]: (ids: string[]) => Promise<Map<string, FactsByKind[Kind]>> } = {
    workstation: (ids) => this.#workstations(ids),
    project: (ids) => this.#projects(ids),
    task: (ids) => this.#tasks(ids),
    user: (ids) => this.#users(ids),
  };

  constructor(database: Database, log: Logger) {
    this.#database = database;
    this.#invitations = new Invitations(database, log);
    this.#log = log;
  }

  load<Kind extends FactKind>(kind: Kind, ids: readonly string[]): Promise<Map<string, FactsByKind[Kind]>> {
    return this.#loaders[kind]([...ids]);
  }

  async workstationsByToken(tokenDigests: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string; digest: string }[]>`
        SELECT id, registration_token AS digest FROM workstations
        WHERE registration_token = ANY(${[...tokenDigests]}) AND deleted_at IS NULL`,
    );
    return new Map(rows.map(({ id, digest }) => [digest, id]));
  }

  async ensureUsers(claims: readonly UserClaims[]): Promise<Map<string, string>> {
    const bySubject = new Map(claims.map((claim) => [claim.subject, claim]));
    const known = await this.#usersBySubject([...bySubject.keys()]);
    const missing = [...bySubject.values()].filter(({ subject }) => !known.has(subject));
    if (missing.length > 0) {
      await this.#insertUsers(missing);
      for (const [subject, user] of await this.#usersBySubject(missing.map(({ subject }) => subject)))
        known.set(subject, user);
    }
    const outdated = [...bySubject.values()].filter((claim) => differs(claim, known.get(claim.subject)));
    // The caller does not wait for this: a connecting client only needs the user's id.
    if (outdated.length > 0) {
      this.#updateUsers(outdated).catch((error: unknown) => {
        this.#log.warn({ err: error }, "users' addresses, names and activity could not be written; tried again later");
      });
    }
    return new Map([...known].map(([subject, { id }]) => [subject, id]));
  }

  invitedAmong(emails: readonly string[]): Promise<Set<string>> {
    return this.#invitations.among(emails);
  }

  giveInvitations(claims: UserClaims): Promise<void> {
    return this.#invitations.give(claims);
  }

  async #workstations(ids: string[]): Promise<Map<string, WorkstationFacts>> {
    const rows = await this.#database.query(
      (sql) => sql<(WorkstationFacts & { id: string })[]>`
        SELECT workstation.id, workstation.organization_id AS "organizationId",
          CASE WHEN workstation.deleted_at IS NOT NULL OR organization.deleted_at IS NOT NULL THEN 'gone'
            WHEN workstation.status = 'suspended' THEN 'suspended' ELSE 'active' END AS "accountStatus",
          workstation.registration_token AS "tokenDigest",
          ARRAY(SELECT project.id FROM project_workstations attachment
            JOIN projects project ON project.id = attachment.project_id AND project.status = 'active' AND project.deleted_at IS NULL
            WHERE attachment.workstation_id = workstation.id ORDER BY project.id) AS "projectIds"
        FROM workstations workstation JOIN organizations organization ON organization.id = workstation.organization_id
        WHERE workstation.id = ANY(${ids})`,
    );
    return byId(rows);
  }

  async #projects(ids: string[]): Promise<Map<string, ProjectFacts>> {
    const rows = await this.#database.query(
      (sql) => sql<(ProjectFacts & { id: string })[]>`
        SELECT project.id, project.organization_id AS "organizationId",
          project.status = 'active' AND project.deleted_at IS NULL AND organization.deleted_at IS NULL AS active
        FROM projects project JOIN organizations organization ON organization.id = project.organization_id
        WHERE project.id = ANY(${ids})`,
    );
    return byId(rows);
  }

  async #tasks(ids: string[]): Promise<Map<string, TaskFacts>> {
    const rows = await this.#database.query(
      (sql) => sql<(TaskFacts & { id: string })[]>`
        SELECT task.id, task.project_id AS "projectId", project.organization_id AS "organizationId",
          project.status = 'active' AND task.deleted_at IS NULL AND project.deleted_at IS NULL
            AND organization.deleted_at IS NULL AS active
        FROM tasks task JOIN projects project ON project.id = task.project_id
        JOIN organizations organization ON organization.id = project.organization_id
        WHERE task.id = ANY(${ids})`,
    );
    return byId(rows);
  }

  async #users(ids: string[]): Promise<Map<string, UserFacts>> {
    const rows = await this.#database.query(
      (sql) => sql<{ id: string; organizationId: string | null; role: Role; clientId: string | null }[]>`
        SELECT person.id, organization.id AS "organizationId", membership.role,
          organization.monster_auth_client_id AS "clientId"
        FROM users person
        LEFT JOIN organization_memberships membership
          ON membership.user_id = person.id AND membership.status = 'active'
        LEFT JOIN organizations organization
          ON organization.id = membership.organization_id AND organization.deleted_at IS NULL
        WHERE person.id = ANY(${ids}) AND person.deleted_at IS NULL`,
    );
    const memberships = new Map<string, Membership[]>(rows.map(({ id }) => [id, []]));
    for (const { id, organizationId, role, clientId } of rows) {
      if (organizationId !== null) memberships.get(id)?.push({ organizationId, role, clientId });
    }
    return new Map([...memberships].map(([id, list]) => [id, { memberships: list }]));
  }

  async #usersBySubject(subjects: string[]): Promise<Map<string, KnownUser>> {
    const rows = await this.#database.query(
      (sql) => sql<KnownUser[]>`
        SELECT id, monster_auth_user_id AS subject, email, name,
          last_active_at < now() - interval '1 minute' AS idle
        FROM users WHERE monster_auth_user_id = ANY(${subjects})`,
    );
    return new Map(rows.map((row) => [row.subject, row]));
  }

  /** A user that another connection has created in the meantime stays unchanged. */
  async #insertUsers(claims: readonly UserClaims[]): Promise<void> {
    const ids = claims.map(() => `user_${newId()}`);
    const subjects = claims.map(({ subject }) => subject);
    const emails = claims.map(({ subject, email }) => email ?? `${subject}@${UNKNOWN_EMAIL_DOMAIN}`);
    const names = claims.map(({ name }) => name);
    await this.#database.transaction(
      HUB,
      (sql) => sql`
        INSERT INTO users (id, monster_auth_user_id, email, name)
        SELECT * FROM unnest(${ids}::text[], ${subjects}::text[], ${emails}::text[], ${names}::text[])
        ON CONFLICT (monster_auth_user_id) DO NOTHING`,
    );
  }

  /** Fields that the token lacks stay unchanged. Rows are locked in order, so that two hubs can't deadlock. */
  async #updateUsers(claims: readonly UserClaims[]): Promise<void> {
    const subjects = claims.map(({ subject }) => subject);
    const emails = claims.map(({ email }) => email);
    const names = claims.map(({ name }) => name);
    await this.#database.transaction(
      HUB,
      (sql) => sql`
        WITH claimed AS (
          SELECT person.id, claim.email, claim.name FROM users person
          JOIN unnest(${subjects}::text[], ${emails}::text[], ${names}::text[]) AS claim (subject, email, name)
            ON claim.subject = person.monster_auth_user_id
          ORDER BY person.id FOR NO KEY UPDATE OF person)
        UPDATE users SET email = coalesce(claimed.email, users.email), name = coalesce(claimed.name, users.name),
          last_active_at = now()
        FROM claimed WHERE claimed.id = users.id`,
    );
  }
}

function differs({ email, name }: UserClaims, known: KnownUser | undefined): boolean {
  if (!known) return false;
  return known.idle || (email !== null && email !== known.email) || (name !== null && name !== known.name);
}

function byId<Fact>(rows: readonly (Fact & { id: string })[]): Map<string, Fact> {
  return new Map(rows.map((row) => [row.id, row]));
}
