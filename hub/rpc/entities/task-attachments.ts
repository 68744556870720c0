import type {
  RpcParams,
  TaskAttachment,
  TaskAttachmentCreate,
  TaskAttachmentSet,
} from "@monster-realtime/client/protocol";
import { z } from "zod";
import { crud, type Entity } from "../crud.ts";
import * as field from "../fields.ts";
import { RIGHTS } from "../rights.ts";
import { EntityRows } from "../sql/rows.ts";
import type { EntityTable } from "../sql/table.ts";
import { ofTask, taskOf } from "./of-task.ts";

const PROVIDERS = ["s3", "local", "cdn"] as const;
const TYPES = ["spec", "wireframe", "reference", "feedback", "other"] as const;

const table: EntityTable<TaskAttachment> = {
  ...ofTask("task_attachments"),
  table: "task_attachments",
  columns: {
    id: "plain",
    taskId: "plain",
    filename: "plain",
    originalFilename: "plain",
    contentType: "plain",
    fileSize: "decimal",
    storageProvider: "plain",
    storagePath: "plain",
    storageUrl: "plain",
    attachmentType: "plain",
    description: "plain",
    uploadedAt: "timestamp",
  },
};

const named = {
  filename: field.filledText(500),
  originalFilename: field.filledText(500),
  storagePath: field.filledText(4_096),
};
const described = {
  contentType: field.text(100).nullable(),
  fileSize: z.int().min(0).nullable(),
  storageProvider: field.oneOf<TaskAttachment["storageProvider"]>(PROVIDERS),
  storageUrl: field.webAddress.nullable(),
  attachmentType: field.oneOf<TaskAttachment["attachmentType"]>(TYPES),
  description: field.longText.nullable(),
};

const entity: Entity<
  TaskAttachment,
  NonNullable<RpcParams<"taskAttachments.list">["filter"]>,
  TaskAttachmentCreate,
  TaskAttachmentSet
> = {
  name: "taskAttachments",
  noun: "attachment",
  idPrefix: "attach",
  rows: new EntityRows(table),
  rights: RIGHTS.taskAttachments,
  schemas: {
    list: field.paramsOf<"taskAttachments.list">()(
      field.listParams({ taskId: field.id("task"), attachmentType: field.oneOf<string>(TYPES) }),
    ),
    get: field.paramsOf<"taskAttachments.get">()(field.idParams("attach")),
    create: field.paramsOf<"taskAttachments.create">()(
      z.strictObject({ taskId: field.id("task"), ...named, ...field.optional(described) }),
    ),
    update: field.paramsOf<"taskAttachments.update">()(
      field.unversionedUpdateParams("attach", { ...named, ...described }),
    ),
    delete: field.paramsOf<"taskAttachments.delete">()(field.idParams("attach")),
  },
  placeOf: (context, { taskId }) => taskOf(context, taskId),
  touched: () => [],
};

export const taskAttachments = { ...entity, procedures: crud(entity) };
