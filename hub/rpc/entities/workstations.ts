import { createHash, randomBytes } from "node:crypto";
import type {
  RegisteredWorkstation,
  Workstation,
  WorkstationCreate,
  WorkstationSet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { locked } from "../../locked.ts";
import {
  authorizeChange,
  deleteProcedure,
  getProcedure,
  getRow,
  idOf,
  insertRow,
  listProcedure,
  lockRow,
  run,
  updateProcedure,
} from "../crud.ts";
import type { Entity } from "../entity.ts";
import { columns, jsonColumns, long, short } from "../fields.ts";
import { authorizeCreateIn } from "../parents.ts";
import { defineProcedure, type Procedure, type ProcedureContext } from "../procedure.ts";

const entity: Entity = {
  name: "workstations",
  table: "workstations",
  noun: "workstation",
  idPrefix: "ws",
  fields: {
    ...columns("id", "organizationId", "name", "hostname", "os", "arch", "platformVersion", "cliVersion"),
    lastIpAddress: { column: "last_ip_address", read: "text" },
    ...columns("lastUserAgent", "status", "lastSeenAt", "lastHeartbeatAt"),
    ...jsonColumns("realtimeMemberKey", "realtimePresenceMeta"),
    ...columns("devServerEnabled", "devServerPort", "devServerPublicUrl", "createdAt", "updatedAt"),
  },
  joins: "JOIN organizations o ON o.id = e.organization_id AND o.deleted_at IS NULL",
  visible: "e.deleted_at IS NULL",
  scope: { organization: "e.organization_id", project: null, workstation: "e.id" },
  projectColumn: null,
  filters: ["status"],
  order: [],
  softDelete: true,
};

const shared = {
  hostname: short(255).nullable().exactOptional(),
  os: short(50).nullable().exactOptional(),
  arch: short(50).nullable().exactOptional(),
  platformVersion: short(100).nullable().exactOptional(),
  devServerPublicUrl: long.nullable().exactOptional(),
};
const create = locked<WorkstationCreate>()(
  z.strictObject({ organizationId: idOf("org"), name: short(255), ...shared }),
);
const set = locked<WorkstationSet>()(z.strictObject({ name: short(255).exactOptional(), ...shared }));

const createRow = async (context: ProcedureContext, params: WorkstationCreate): Promise<Workstation> => {
  await authorizeCreateIn(context, entity, params.organizationId);
  const id = await insertRow(context, entity, { ...params });
  return (await getRow(context, entity, id)) as unknown as Workstation;
};

/** Puts a new token's digest into the row and gives the token, which is nowhere else from now on. */
async function newToken({ sql, touched }: ProcedureContext, id: string): Promise<string> {
  const token = `wst_${randomBytes(32).toString("base64url")}`;
  const digest = createHash("sha256").update(token).digest("hex");
  await run(sql, "UPDATE workstations SET registration_token = $2 WHERE id = $1", [id, digest]);
  touched.push({ entity: "workstation", id });
  return token;
}

const withoutSecret = ({ workstation }: RegisteredWorkstation): RegisteredWorkstation => ({
  workstation,
  registrationToken: null,
});

const register = defineProcedure<WorkstationCreate & Record<string, unknown>, RegisteredWorkstation>({
  method: "workstations.register",
  writes: true,
  input: create,
  forget: withoutSecret,
  async run(context, params) {
    const workstation = await createRow(context, params);
    return { workstation, registrationToken: await newToken(context, workstation.id) };
  },
});

/** The old token opens nothing any more, and its connections end. */
const rotateToken = defineProcedure<{ id: string }, RegisteredWorkstation>({
  method: "workstations.rotateToken",
  writes: true,
  input: z.strictObject({ id: idOf("ws") }),
  forget: withoutSecret,
  async run(context, { id }) {
    const { organizationId } = await lockRow(context, entity, id);
    authorizeChange(context, entity, "update", organizationId, []);
    const registrationToken = await newToken(context, id);
    return { workstation: (await getRow(context, entity, id)) as unknown as Workstation, registrationToken };
  },
});

export const workstations: readonly Procedure[] = [
  listProcedure(entity, z.strictObject({ status: z.enum(["online", "offline", "suspended"]).optional() })),
  getProcedure(entity),
  defineProcedure({ method: "workstations.create", writes: true, input: create, run: createRow }),
  updateProcedure(entity, { set }),
  deleteProcedure(entity, ({ touched }, id) => void touched.push({ entity: "workstation", id })),
  register,
  rotateToken,
];
