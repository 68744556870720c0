import { createHash, randomBytes } from "node:crypto";
import type {
  RegisteredWorkstation,
  RpcParams,
  Workstation,
  WorkstationCreate,
  WorkstationSet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { create, crud, type Entity, lock, parent, read } from "../crud.ts";
import * as field from "../fields.ts";
import { defineProcedure, type Written } from "../procedure.ts";
import { RIGHTS } from "../rights.ts";
import { endWorkstation } from "../sql/effects.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { organizations } from "./organizations.ts";

const STATUSES = ["online", "offline", "suspended"] as const;

const table: EntityTable<Workstation> = {
  table: "workstations",
  columns: {
    id: "plain",
    organizationId: "plain",
    name: "plain",
    hostname: "plain",
    os: "plain",
    arch: "plain",
    platformVersion: "plain",
    cliVersion: "plain",
    lastIpAddress: "address",
    lastUserAgent: "plain",
    status: "plain",
    lastSeenAt: "timestamp",
    lastHeartbeatAt: "timestamp",
    realtimeMemberKey: "json",
    realtimePresenceMeta: "json",
    devServerEnabled: "plain",
    devServerPort: "plain",
    devServerPublicUrl: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
  joins: "JOIN organizations ON organizations.id = workstations.organization_id",
  visible: "workstations.deleted_at IS NULL AND organizations.deleted_at IS NULL",
  assigned: {
    status: (value) => `CASE WHEN ${value}::text = 'suspended' THEN 'suspended'::workstation_status
      WHEN workstations.status = 'suspended' THEN 'offline' ELSE workstations.status END`,
  },
  projectId: null,
  workstationId: "workstations.id",
  readableBy: (workstation) => `workstations.id = ${workstation}`,
  inProject: (project) =>
    `workstations.id IN (SELECT workstation_id FROM project_workstations WHERE project_id = ${project})`,
  sort: [{ field: "id" }],
};

const described = {
  hostname: field.text(255).nullable(),
  os: field.text(50).nullable(),
  arch: field.text(50).nullable(),
  platformVersion: field.text(100).nullable(),
  devServerPublicUrl: field.webAddress.nullable(),
};
const created = {
  organizationId: field.id("org"),
  name: field.filledText(255),
  ...field.optional(described),
};

const entity: Entity<
  Workstation,
  NonNullable<RpcParams<"workstations.list">["filter"]>,
  WorkstationCreate,
  WorkstationSet
> = {
  name: "workstations",
  noun: "workstation",
  idPrefix: "ws",
  rows: new EntityRows(table),
  rights: RIGHTS.workstations,
  schemas: {
    list: field.paramsOf<"workstations.list">()(field.listParams({ status: field.oneOf<string>(STATUSES) })),
    get: field.paramsOf<"workstations.get">()(field.idParams("ws")),
    create: field.paramsOf<"workstations.create">()(z.strictObject(created)),
    update: field.paramsOf<"workstations.update">()(
      field.updateParams("ws", {
        name: field.filledText(255),
        ...described,
        // Presence decides whether a workstation is online. An admin only suspends it or lifts the suspension.
        status: z.enum(["offline", "suspended"]),
      }),
    ),
    delete: field.paramsOf<"workstations.delete">()(field.deleteParams("ws")),
  },
  placeOf: async (context, { organizationId }, id) => ({
    ...(await parent(organizations, context, organizationId)),
    workstationId: id,
  }),
  removed: endWorkstation,
  touched: ({ id }) => [{ entity: "workstation", id }],
};

const register = defineProcedure<RpcParams<"workstations.register">>({
  method: "workstations.register",
  kind: "write",
  input: field.paramsOf<"workstations.register">()(z.strictObject(created)),
  rights: RIGHTS.workstations.register,
  async handler(context, input) {
    const { token, digest } = mintRegistrationToken();
    const made = await create(entity, RIGHTS.workstations.register, context, input, { registrationToken: digest });
    return { ...made, ...withToken(made.result, token) };
  },
});

const rotateToken = defineProcedure<RpcParams<"workstations.rotateToken">>({
  method: "workstations.rotateToken",
  kind: "write",
  input: field.paramsOf<"workstations.rotateToken">()(field.idParams("ws")),
  rights: RIGHTS.workstations.rotateToken,
  async handler(context, { id }) {
    const { token, digest } = mintRegistrationToken();
    const place = await lock(entity, RIGHTS.workstations.rotateToken, context, { id });
    await entity.rows.update(context.sql, id, new Map([["registrationToken", digest]]));
    const workstation = await read(entity.rows, context.sql, id);
    return { ...withToken(workstation, token), place, touched: [{ entity: "workstation", id }] };
  },
});

/** The result contains the token; a replay of the call does not. */
function withToken(workstation: Workstation, token: string): Pick<Written, "result" | "replayed"> {
  const result: RegisteredWorkstation = { workstation, registrationToken: token };
  return { result, replayed: { ...result, registrationToken: null } };
}

interface RegistrationToken {
  /** `wst_` and 43 characters. Returned once and never stored. */
  token: string;
  /** SHA-256 in hex, as stored in the workstation's row. */
  digest: string;
}

export function mintRegistrationToken(): RegistrationToken {
  const token = `wst_${randomBytes(32).toString("base64url")}`;
  return { token, digest: createHash("sha256").update(token).digest("hex") };
}

export const workstations = { ...entity, procedures: [...crud(entity), register, rotateToken] };
