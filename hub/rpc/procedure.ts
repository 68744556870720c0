import type { Sql, TransactionSql } from "postgres";
import type { z } from "zod";
import type { Principal } from "../auth/principal.ts";
import type { Touched } from "./context.ts";
import type { Standing } from "./scope.ts";

/** What a handler has to work with. */
export interface ProcedureContext extends Standing {
  principal: Principal;
  /** Reads: the pool. Writes: the transaction of the call. */
  sql: Sql | TransactionSql;
  /** Rows that rights or presence depend on and that this call changes; told after the commit. */
  touched: Touched[];
}

/** One method: its name, what it takes, and what it does, in one place. */
export interface Procedure<Params = unknown, Result = unknown> {
  method: string;
  /** Writes run in a transaction in the caller's name, and may be repeated by an idempotency key. */
  writes: boolean;
  input: z.ZodType<Params>;
  /** The answer as it may be kept for a replay: without secrets. */
  forget?(answer: Result): Result;
  run(context: ProcedureContext, params: Params): Promise<Result>;
}

/** A procedure as a value, with its types inferred. */
export function defineProcedure<Params, Result>(procedure: Procedure<Params, Result>): Procedure {
  return procedure as unknown as Procedure;
}
