import type { Actor, ActorCreate, ActorSet, RpcParams } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { removing } from "../sql/deletions.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { ofProject, projectOf } from "./of-project.ts";

const MAX_FOCUS_AREAS = 100;

const table: EntityTable<Actor> = {
  ...ofProject("actors"),
  table: "actors",
  columns: {
    id: "plain",
    projectId: "plain",
    name: "plain",
    description: "plain",
    systemPrompt: "plain",
    methodology: "plain",
    focusAreas: "json",
    isDefault: "plain",
    tasksAssignedCount: "plain",
    createdAt: "timestamp",
    updatedAt: "timestamp",
  },
};

const name = field.filledText(255);
// `isDefault` is written on the actor. Triggers update the project and its other actors.
const settings = {
  description: field.longText.nullable(),
  systemPrompt: field.longText.nullable(),
  methodology: field.longText.nullable(),
  focusAreas: z.array(field.filledText(255)).max(MAX_FOCUS_AREAS).nullable(),
  isDefault: z.boolean(),
};

const entity: Entity<Actor, NonNullable<RpcParams<"actors.list">["filter"]>, ActorCreate, ActorSet> = {
  name: "actors",
  noun: "actor",
  idPrefix: "actor",
  rows: new EntityRows(table),
  rights: RIGHTS.actors,
  schemas: {
    list: field.paramsOf<"actors.list">()(field.listParams({ isDefault: z.boolean() })),
    get: field.paramsOf<"actors.get">()(field.idParams("actor")),
    create: field.paramsOf<"actors.create">()(
      z.strictObject({ projectId: field.id("proj"), name, ...field.optional(settings) }),
    ),
    update: field.paramsOf<"actors.update">()(field.updateParams("actor", { name, ...settings })),
    delete: field.paramsOf<"actors.delete">()(field.deleteParams("actor")),
  },
  placeOf: projectOf,
  removed: removing("actors"),
  touched: () => [],
};

export const actors = { ...entity, procedures: crud(entity) };
