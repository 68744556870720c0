import type { SessionProgress } from "@monster-realtime/client/protocol";
import type { Touched } from "../../auth/facts.ts";
import { isFirstParty, principalKey } from "../../auth/principal.ts";
import type { LiveConnections } from "../../connections/live-connections.ts";
import type { Inspection } from "../../inspection/inspection.ts";
import { HubError } from "../../kernel/errors.ts";
import type { Logger } from "../../kernel/log.ts";
import { hashOf } from "../../kernel/stable-json.ts";
import type { Database, Queries } from "../../store/database.ts";
import type { RpcCall, RpcRouter } from "../call.ts";
import { type Caller, callerOf, type RightsSource } from "../caller.ts";
import type { Bound, Procedure, ReadContext, WriteContext, Written } from "../procedure.ts";
import { type Grant, may, mayAnywhere, type Place } from "../rights.ts";
import { toHubError } from "../sql/faults.ts";
import { isActiveMember } from "../sql/members.ts";
import { claimKey, type FirstResult, forgetOldAnswers, keepAnswer } from "../sql/results.ts";
import { PROCEDURES } from "./methods.ts";
import { shareOf } from "./share.ts";

export interface RpcRouterOptions {
  database: Database;
  authorizer: RightsSource;
  connections: LiveConnections;
  inspection: Inspection;
  /** Called after the commit with the rows on which rights or presence depend. Not called for a replayed answer. */
  onTouched(touched: Touched[]): void;
  onProgress(progress: SessionProgress): void;
  log: Logger;
}

type BoundWrite = Extract<Bound, { kind: "write" }>;
/** The answer of a write as stored in `rpc_results`. */
interface KeptAnswer {
  place: Place | null;
  result: unknown;
}
interface Done {
  result: unknown;
  touched: readonly Touched[];
}

const MAX_KEY_CHARACTERS = 200;
const SWEEP_MS = 60_000;

/**
 * Creates the router of all methods. Idempotency keys apply to writes. Reads ignore them, because they change nothing.
 */
export function createRpcRouter(options: RpcRouterOptions): RpcRouter {
  return new Router(options);
}

class Router implements RpcRouter {
  readonly #options: RpcRouterOptions;
  readonly #procedures = new Map<string, Procedure>(PROCEDURES.map((procedure) => [procedure.method, procedure]));
  /** Time of the next sweep, by `performance.now()`. Infinite while a sweep runs. */
  #sweepAt = 0;

  constructor(options: RpcRouterOptions) {
    this.#options = options;
  }

  async call(call: RpcCall): Promise<unknown> {
    const procedure = this.#procedures.get(call.method);
    if (!procedure) throw unknownMethod(call.method);
    const bound = procedure.bind(call.params);
    const caller = await callerOf(call.principal, this.#options.authorizer);
    if (!mayAnywhere(caller, procedure.rights)) throw forbidden(caller);
    const database = this.#options.database.sharedBy(shareOf(caller, call.params));
    try {
      if (bound.kind === "read") return await bound.run(this.#readContext(caller, database));
      return await this.#write(procedure, bound, { caller, database }, call);
    } catch (error) {
      throw toHubError(error, { method: call.method });
    }
  }

  #readContext(caller: Caller, database: Queries): ReadContext {
    const { connections, inspection, onProgress: progressed } = this.#options;
    return { caller, database, connections, inspection, progressed };
  }

  async #write(
    procedure: Procedure,
    bound: BoundWrite,
    { caller, database }: Pick<ReadContext, "caller" | "database">,
    call: RpcCall,
  ): Promise<unknown> {
    const { onTouched } = this.#options;
    const principal = principalKey(call.principal);
    const key = acceptedKey(call.idempotencyKey);
    const { result, touched } = await database.transaction(principal, (sql) => {
      const context = { sql, caller };
      return key === null ? plainly(bound, context) : once(procedure, bound, context, principal, key);
    });
    if (touched.length > 0) onTouched([...touched]);
    if (key !== null) void this.#sweep();
    return result;
  }

  /** Removes old answers from time to time, triggered by calls that store new ones. */
  async #sweep(): Promise<void> {
    if (performance.now() < this.#sweepAt) return;
    this.#sweepAt = Number.POSITIVE_INFINITY;
    try {
      await forgetOldAnswers(this.#options.database);
    } catch (error) {
      this.#options.log.warn({ err: error }, "old RPC answers could not be removed; retried in a minute");
    }
    this.#sweepAt = performance.now() + SWEEP_MS;
  }
}

async function plainly(bound: BoundWrite, context: WriteContext): Promise<Done> {
  return doneBy(await bound.run(context));
}

/** The effect and its key commit in one transaction: both or neither. */
async function once(
  { method, rights }: Procedure,
  bound: BoundWrite,
  context: WriteContext,
  principal: string,
  key: string,
): Promise<Done> {
  const resultKey = { principal, method, key };
  const paramsHash = hashOf(bound.input);
  const first = await claimKey(context.sql, resultKey, paramsHash);
  if (first) {
    const { place, result } = repeated(first, paramsHash);
    const allows = (at: Place) => may(context.caller, rights, at, fieldsOf(bound.input));
    if (place && !(allows(place) && (await reaches(context, rights, place)))) throw forbidden(context.caller);
    return { result, touched: [] };
  }
  const written = await bound.run(context);
  await keepAnswer(context.sql, resultKey, keptOf(written));
  return doneBy(written);
}

function doneBy({ result, touched = [] }: Written): Done {
  return { result, touched };
}

/**
 * Whether the caller still belongs to the place of the first call. A workstation may have been detached from the
 * project since, and a user may have left the organization. A grant to any user does not imply a membership, so that is
 * read from the database: the cached facts may be older than the first call.
 */
async function reaches({ caller, sql }: WriteContext, grant: Grant, place: Place): Promise<boolean> {
  const { organizationId, projectId } = place;
  if (caller.kind === "workstation") return projectId === null || caller.projectIds.includes(projectId);
  if (caller.kind === "service" || !grant.user || organizationId === "") return true;
  return isActiveMember(sql, organizationId, caller.principal.id);
}

function keptOf(written: Written): KeptAnswer {
  const { place } = written;
  const result = "replayed" in written ? written.replayed : written.result;
  return {
    place: place && {
      organizationId: place.organizationId,
      projectId: place.projectId,
      workstationId: place.workstationId,
      userId: place.userId ?? null,
    },
    result,
  };
}

function repeated({ paramsHash, answer }: FirstResult, hash: string): KeptAnswer {
  if (paramsHash === hash) return answer as KeptAnswer;
  throw new HubError("conflict", "This idempotency key was used with other params. Use a new key for a new call.");
}

/** The fields that a repeated call would change: those of `set`, or those of the new row. */
function fieldsOf(input: unknown): string[] {
  if (typeof input !== "object" || input === null) return [];
  if ("set" in input && typeof input.set === "object" && input.set !== null) return Object.keys(input.set);
  return "id" in input ? [] : Object.keys(input);
}

function acceptedKey(key: string | undefined): string | null {
  if (key === undefined) return null;
  if (key.length >= 1 && key.length <= MAX_KEY_CHARACTERS && !key.includes("\0") && key.isWellFormed()) return key;
  const message = `must be a string of 1 to ${MAX_KEY_CHARACTERS} characters`;
  throw new HubError("bad_request", `idempotencyKey: ${message}`, { details: [{ path: "idempotencyKey", message }] });
}

function unknownMethod(method: string): HubError {
  const message = `Unknown method ${JSON.stringify(method.slice(0, 64))}. Method names look like tasks.get.`;
  return new HubError("unknown_method", message);
}

function forbidden(caller: Caller): HubError {
  const isOfClient = caller.kind === "user" && !isFirstParty(caller.principal);
  const remedy = isOfClient
    ? "The token's client may act only within its organizations. Use a token of a first-party client."
    : "Ask an admin of the organization.";
  return new HubError("forbidden", `You may not call this method. ${remedy}`);
}
