import { createHash, randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { DevelopmentIssuer } from "../auth/development-issuer.ts";
import { newId } from "../kernel/ids.ts";
import type { Database } from "../store/database.ts";

/** The seed of a hub in development mode: an organization, and a token for each kind of principal. */
export interface Development {
  url: string;
  /** The live presence view, signed in as the owner. */
  page: string;
  organizationId: string;
  projectId: string;
  workstationId: string;
  userToken: string;
  serviceToken: string;
  workstationToken: string;
}

const FILE = "development.json";
const SUBJECT = "development-owner";
const SLUG = "development";
const TOKEN_TTL_SECONDS = 7 * 24 * 3600;

const stored = z.object({
  organizationId: z.string(),
  projectId: z.string(),
  workstationId: z.string(),
  serviceToken: z.string(),
  workstationToken: z.string(),
});

export const sha256 = (token: string): string => createHash("sha256").update(token).digest("hex");
const secret = (prefix: string): string => prefix + randomBytes(32).toString("base64url");

/** A service token that lasts as long as the data directory, so that scripts still work after a restart. */
export async function developmentServiceToken(dataDir: string): Promise<string> {
  return (await readStored(dataDir))?.serviceToken ?? secret("svc_");
}

/** Everything except the address, which is known once the hub listens. */
export type DevelopmentSeed = Omit<Development, "url" | "page">;

/** Creates the organization, its project, owner and first workstation if they are missing, and issues the tokens. */
export async function seedDevelopment(parts: {
  database: Database;
  issuer: DevelopmentIssuer;
  dataDir: string;
  serviceToken: string;
}): Promise<DevelopmentSeed> {
  const { database, issuer, dataDir, serviceToken } = parts;
  const workstationToken = (await readStored(dataDir))?.workstationToken ?? secret("wst_");
  const ids = await seedRows(database, sha256(workstationToken));
  const userToken = await issuer.mint({
    subject: SUBJECT,
    email: "owner@development.invalid",
    name: "Development Owner",
    ttlSeconds: TOKEN_TTL_SECONDS,
  });
  return { ...ids, userToken, serviceToken, workstationToken };
}

/** Announces the hub's address, and writes the tokens to a private file. */
export async function announceDevelopment(seed: DevelopmentSeed, dataDir: string, url: string): Promise<Development> {
  const development: Development = { url, page: `${url}/#token=${seed.userToken}`, ...seed };
  await writeFile(join(dataDir, FILE), `${JSON.stringify(development, null, 2)}\n`, { mode: 0o600 });
  return development;
}

/** Reads the file that a running hub wrote. Throws with the remedy if there is none. */
export async function readDevelopment(dataDir: string): Promise<Development> {
  try {
    return JSON.parse(await readFile(join(dataDir, FILE), "utf8")) as Development;
  } catch (error) {
    throw new Error(`No hub in development mode has run with ${dataDir}. Run \`npm start\` first.`, { cause: error });
  }
}

async function readStored(dataDir: string): Promise<z.infer<typeof stored> | null> {
  try {
    return stored.parse(JSON.parse(await readFile(join(dataDir, FILE), "utf8")));
  } catch {
    // Missing, or written by another version: the caller creates new tokens.
    return null;
  }
}

/** One transaction, which inserts each missing row. */
function seedRows(database: Database, tokenDigest: string) {
  return database.transaction("hub:development", async (sql) => {
    await sql`INSERT INTO organizations (id, name, slug) VALUES (${`org_${newId()}`}, 'Development', ${SLUG}) ON CONFLICT (slug) DO NOTHING`;
    const [organization] = await sql<{ id: string }[]>`SELECT id FROM organizations WHERE slug = ${SLUG}`;
    const organizationId = idOf(organization);
    await sql`INSERT INTO users (id, monster_auth_user_id, email, name)
      VALUES (${`user_${newId()}`}, ${SUBJECT}, 'owner@development.invalid', 'Development Owner') ON CONFLICT (monster_auth_user_id) DO NOTHING`;
    const [user] = await sql<{ id: string }[]>`SELECT id FROM users WHERE monster_auth_user_id = ${SUBJECT}`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id, role, joined_at)
      VALUES (${`orgmem_${newId()}`}, ${organizationId}, ${idOf(user)}, 'owner', now()) ON CONFLICT (organization_id, user_id) DO NOTHING`;
    await sql`INSERT INTO projects (id, organization_id, name, slug)
      VALUES (${`proj_${newId()}`}, ${organizationId}, 'First project', 'first') ON CONFLICT (organization_id, slug) DO NOTHING`;
    const [project] = await sql<
      { id: string }[]
    >`SELECT id FROM projects WHERE organization_id = ${organizationId} AND slug = 'first'`;
    const projectId = idOf(project);
    await sql`INSERT INTO workstations (id, organization_id, name, hostname, registration_token)
      VALUES (${`ws_${newId()}`}, ${organizationId}, 'first workstation', 'first.local', ${tokenDigest}) ON CONFLICT (registration_token) DO NOTHING`;
    const [workstation] = await sql<
      { id: string }[]
    >`SELECT id FROM workstations WHERE registration_token = ${tokenDigest}`;
    const workstationId = idOf(workstation);
    await sql`INSERT INTO project_workstations (id, project_id, workstation_id)
      VALUES (${`projws_${newId()}`}, ${projectId}, ${workstationId}) ON CONFLICT (project_id, workstation_id) DO NOTHING`;
    return { organizationId, projectId, workstationId };
  });
}

function idOf(row: { id: string } | undefined): string {
  if (!row) throw new Error("A row of the development organization was deleted during its creation. Start again.");
  return row.id;
}
