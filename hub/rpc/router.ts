import type { Sql, TransactionSql } from "postgres";
import { principalKey } from "../auth/principal.ts";
import { HubError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Database } from "../store/postgres.ts";
import { validate } from "../validation.ts";
import type { RpcCall, RpcRouter, Touched } from "./context.ts";
import { organizations } from "./entities/organizations.ts";
import { projectWorkstations } from "./entities/project-workstations.ts";
import { projects } from "./entities/projects.ts";
import { tasks } from "./entities/tasks.ts";
import { workstations } from "./entities/workstations.ts";
import { toRefusal } from "./faults.ts";
import { once } from "./idempotency.ts";
import type { Procedure } from "./procedure.ts";
import { type Standing, type StandingSource, standingOf } from "./scope.ts";

export interface RpcRouterOptions {
  database: Database;
  authorizer: StandingSource;
  /** After a commit, with what rights or presence depend on. */
  onTouched(touched: Touched[]): void;
  log: Logger;
}

const PROCEDURES: readonly Procedure[] = [
  ...organizations,
  ...projects,
  ...workstations,
  ...projectWorkstations,
  ...tasks,
];

/** Every method, found by name. */
export function createRpcRouter(options: RpcRouterOptions): RpcRouter {
  const methods = new Map(PROCEDURES.map((procedure) => [procedure.method, procedure]));
  return {
    async call(call) {
      const procedure = methods.get(call.method);
      if (!procedure)
        throw new HubError("unknown_method", "There is no such method. PROTOCOL.md lists those there are.");
      const params = validate(procedure.input, call.params);
      const standing = await standingOf(options.authorizer, call.principal);
      try {
        return await (procedure.writes ? write : read)(options, procedure, { ...call, params }, standing);
      } catch (error) {
        throw toRefusal(error);
      }
    },
  };
}

type Run = (options: RpcRouterOptions, procedure: Procedure, call: RpcCall, standing: Standing) => Promise<unknown>;

/** One statement on the pool. An idempotency key means nothing here: reading twice changes nothing. */
const read: Run = ({ database }, procedure, { principal, params }, standing) =>
  database.limited((sql: Sql) => procedure.run({ ...standing, principal, sql, touched: [] }, params));

const write: Run = async ({ database, onTouched }, procedure, { principal, params, idempotencyKey }, standing) => {
  let touched: Touched[] = [];
  const answer = await database.transaction(principalKey(principal), (sql: TransactionSql) => {
    touched = [];
    const context = { ...standing, principal, sql, touched };
    return idempotencyKey === undefined
      ? procedure.run(context, params)
      : once(context, procedure, idempotencyKey, params);
  });
  if (touched.length > 0) onTouched(touched);
  return answer;
};
