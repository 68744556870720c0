import type { SessionProgress } from "@monster-realtime/client/protocol";
import type { z } from "zod";
import type { Touched } from "../auth/facts.ts";
import type { LiveConnections } from "../connections/live-connections.ts";
import type { Inspection } from "../inspection/inspection.ts";
import { HubError } from "../kernel/errors.ts";
import type { Transaction } from "../kernel/statements.ts";
import { refuseUnsafeText, validate } from "../kernel/validation.ts";
import type { Queries } from "../store/database.ts";
import type { Caller } from "./caller.ts";
import type { Grant, Place } from "./rights.ts";

/** Maximum size of one string, in bytes of UTF-8. */
const MAX_TEXT_BYTES = 256 * 1024;

export interface ReadContext {
  caller: Caller;
  /** Charged to the caller. */
  database: Queries;
  connections: LiveConnections;
  inspection: Inspection;
  /** Publishes the progress of a session to the task's subscribers. */
  progressed(progress: SessionProgress): void;
}
/** A write runs in one transaction, which may be retried from its start. */
export interface WriteContext {
  caller: Caller;
  sql: Transaction;
}

/** The result of a write. */
export interface Written {
  result: unknown;
  /** The answer to a repeated idempotency key. Default: `result`. Required if `result` contains a secret. */
  replayed?: unknown;
  /** The place whose rights are checked again before a replay. Null if the answer needs no check. */
  place: Place | null;
  touched?: readonly Touched[];
}

interface Definition<Input> {
  method: string;
  /** The schema of the method's params. Unknown fields are rejected. */
  input: z.ZodType<Input>;
  /** The parties that may call it. The handler's statements limit the rows by the caller's scope. */
  rights: Grant;
}
export interface ReadDefinition<Input> extends Definition<Input> {
  kind: "read";
  handler(context: ReadContext, input: Input): Promise<unknown>;
}
export interface WriteDefinition<Input> extends Definition<Input> {
  kind: "write";
  handler(context: WriteContext, input: Input): Promise<Written>;
}

/** A call with validated params. */
export type Bound =
  | { kind: "read"; run(context: ReadContext): Promise<unknown> }
  | { kind: "write"; input: unknown; run(context: WriteContext): Promise<Written> };

/** A method as a value. */
export interface Procedure {
  readonly method: string;
  readonly kind: "read" | "write";
  readonly input: z.ZodType;
  readonly rights: Grant;
  /** Throws `bad_request` with every fault of the params, and `payload_too_large` for a string over 256 KiB. */
  bind(params: unknown): Bound;
}

/** Defines a method by its input, rights and handler. */
export function defineProcedure<Input>(definition: ReadDefinition<Input> | WriteDefinition<Input>): Procedure {
  const { method, kind, input, rights } = definition;
  return { method, kind, input, rights, bind: (params) => bound(definition, accepted(definition.input, params)) };
}

function accepted<Input>(schema: z.ZodType<Input>, params: unknown): Input {
  refuseTexts(params);
  return validate(schema, params);
}

function bound<Input>(definition: ReadDefinition<Input> | WriteDefinition<Input>, input: Input): Bound {
  if (definition.kind === "read") return { kind: "read", run: (context) => definition.handler(context, input) };
  return { kind: "write", input, run: (context) => definition.handler(context, input) };
}

/**
 * Rejects strings that Postgres rejects (NUL, lone surrogates: `bad_request`) or that are too long
 * (`payload_too_large`), anywhere in the params. The edge has bounded their depth.
 */
function refuseTexts(value: unknown, path = ""): void {
  if (typeof value === "string") refuseText(value, path);
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    refuseUnsafeText(key, path);
    refuseTexts(inner, path === "" ? key : `${path}.${key}`);
  }
}

function refuseText(text: string, path: string): void {
  refuseUnsafeText(text, path);
  // A UTF-16 unit has at most three bytes in UTF-8, so most strings need no measurement.
  if (text.length * 3 <= MAX_TEXT_BYTES || Buffer.byteLength(text) <= MAX_TEXT_BYTES) return;
  const message = `is longer than ${MAX_TEXT_BYTES} bytes, the maximum for one string`;
  throw new HubError("payload_too_large", `${path}: ${message}`, { details: [{ path, message }] });
}
