import type { SessionProgress } from "@monster-realtime/client/protocol";
import type { z } from "zod";
import type { LiveConnections } from "../connections/live-connections.ts";
import type { Inspection } from "../inspection/inspection.ts";
import type { Transaction } from "../statements.ts";
import type { Queries } from "../store/postgres.ts";
import { validate } from "../validation.ts";
import type { Caller } from "./caller.ts";
import type { Touched } from "./context.ts";
import type { Grant, Place } from "./rights.ts";
import { refuseTexts } from "./texts.ts";

export interface ReadContext {
  caller: Caller;
  /** Charged to the caller. */
  database: Queries;
  connections: LiveConnections;
  inspection: Inspection;
  /** Tells those who watch a task how far its session is. */
  progressed(progress: SessionProgress): void;
}
/** All of a write happens in one transaction, which may be run again from its start. */
export interface WriteContext {
  caller: Caller;
  sql: Transaction;
}

/** What a write did. */
export interface Written {
  result: unknown;
  /** What a repeated idempotency key is answered; `result` where it is missing. Needed where `result` holds a secret. */
  replayed?: unknown;
  /** Where rights are checked again before a replay; null where the answer tells nothing. */
  place: Place | null;
  touched?: readonly Touched[];
}

interface Definition<Input> {
  method: string;
  /** What the method takes; unknown fields are refused. */
  input: z.ZodType<Input>;
  /** Who may call it at all. Which rows: the handler's statements, by the caller's scope. */
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

/** A call whose params are found good. */
export type Bound =
  | { kind: "read"; run(context: ReadContext): Promise<unknown> }
  | { kind: "write"; input: unknown; run(context: WriteContext): Promise<Written> };

/** A method as a value. */
export interface Procedure {
  readonly method: string;
  readonly kind: "read" | "write";
  readonly input: z.ZodType;
  readonly rights: Grant;
  /** Throws `bad_request` with every fault of the params, `payload_too_large` for a text over 256 KiB. */
  bind(params: unknown): Bound;
}

/** Input, rights and handler of one method in one place. */
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
