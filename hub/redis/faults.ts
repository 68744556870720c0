import { redisFault } from "../config/redis-address.ts";
import { HubError } from "../kernel/errors.ts";

/** A state in which Redis rejects commands: its description, and the operator's remedy. */
export interface RedisFault {
  readonly kind: string;
  readonly state: string;
  readonly remedy: string;
}

interface Sign extends RedisFault {
  /** The beginning of the replies in this state; scripts wrap some of them. */
  readonly sign: RegExp;
}

/** The user of REDIS_URL lacks a right. Errors from scripts lack the code, and differ between versions of Redis. */
const DENIED = /^NOPERM |^ERR The user executing the script can't |^ERR ACL failure in script/;

const SIGNS: readonly Sign[] = [
  {
    kind: "denied",
    sign: DENIED,
    state: "denies the hub's user a command, key or channel",
    remedy: "Grant what is missing by `ACL SETUSER`; docs/deploy.md has the line",
  },
  {
    kind: "no_password",
    sign: /NOAUTH /,
    state: "requires a password, and REDIS_URL has none",
    remedy: "Add it to REDIS_URL: redis://user:password@host",
  },
  {
    kind: "wrong_password",
    sign: /WRONGPASS |^ERR invalid password/,
    state: "refuses the user or the password of REDIS_URL",
    remedy:
      "Correct them (redis://user:password@host, special characters percent-encoded), or enable the user in Redis",
  },
  {
    kind: "replica",
    sign: /^READONLY /,
    state: "is a replica, which accepts no writes",
    remedy: "Set REDIS_URL to the primary, or to a name that follows it after a failover",
  },
  {
    kind: "primary_lost",
    sign: /^MASTERDOWN /,
    state: "is a replica without its primary",
    remedy: "Set REDIS_URL to the primary, and repair the replication",
  },
  {
    kind: "too_few_replicas",
    sign: /^NOREPLICAS /,
    state: "accepts no writes, because too few replicas are connected",
    remedy: "Start the replicas, or lower min-replicas-to-write",
  },
  {
    kind: "full",
    sign: /^OOM /,
    state: "has no memory left (maxmemory)",
    remedy: "Raise maxmemory, or remove other data stored there; HISTORY_BYTES bounds what a hub process stores",
  },
  {
    kind: "disk",
    sign: /^MISCONF /,
    state: "accepts no writes, because it can't save to its disk",
    remedy: 'Free the disk, or turn saving off (`CONFIG SET save ""`): the hub needs none',
  },
  {
    kind: "cluster_down",
    sign: /CLUSTERDOWN /,
    state: "is a cluster that does not serve all slots",
    remedy: "Start the missing nodes or assign their slots: `redis-cli --cluster check` names them",
  },
  {
    kind: "loading",
    sign: /LOADING |Redis is loading/,
    state: "is still loading its data",
    remedy: "Wait until it is loaded: the hub retries by itself",
  },
  {
    kind: "busy",
    sign: /^BUSY /,
    state: "is busy with a script of another client",
    remedy: "End it by `SCRIPT KILL`, and give the hub a Redis without such scripts",
  },
  {
    kind: "connections",
    sign: /max number of clients/,
    state: "has no connection left (maxclients)",
    remedy: "Raise maxclients: a hub process takes three connections to each node of Redis",
  },
  {
    kind: "protected",
    sign: /^DENIED /,
    state: "is in protected mode and accepts connections from its own machine alone",
    remedy: "Set a password in Redis (`requirepass`, or a user), and put it into REDIS_URL",
  },
  {
    kind: "command_missing",
    sign: /^ERR unknown (?:sub)?command|^ERR Unknown Redis command/i,
    state: "lacks a command that the hub needs",
    remedy: "Use Redis 7 or newer with all commands under their names",
  },
];

/** The kind of a rejecting reply, or null: it is another error, or Redis did not answer. */
export function faultOf(error: unknown): RedisFault | null {
  const reply = replyOf(error);
  return SIGNS.find(({ sign }) => sign.test(reply)) ?? null;
}

export function isDenied(error: unknown): boolean {
  return DENIED.test(replyOf(error));
}

/** For logs. */
export function sentencesOf({ state, remedy }: Pick<RedisFault, "state" | "remedy">): string {
  return `Redis ${state}. ${remedy}.`;
}

/** The error for callers, who can only wait. The reply of Redis is the cause, for the log. */
export function unavailable(cause: unknown): HubError {
  const fault = faultOf(cause);
  const message = fault
    ? `Redis ${fault.state}. The hub's operator must correct that. Try again later, with the same id.`
    : "Redis does not answer. Try again, with the same id.";
  return new HubError("unavailable", message, { cause, retryAfterMs: 1_000 });
}

/** Why the hub can't start, as a fault of REDIS_URL. */
export function startFault(error: unknown): Error {
  if (error instanceof Error && error.name === "ConfigError") return error;
  const fault = faultOf(error);
  if (fault) return redisFault(`its Redis ${fault.state}`, fault.remedy);
  return redisFault(`can't be reached (${replyOf(error)})`, "Start Redis, or set REDIS_URL to where it is");
}

/** The reply of Redis, if there is one: a cluster's client and the hub's own errors wrap it. */
export function replyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = "lastNodeError" in error ? error.lastNodeError : error instanceof HubError ? error.cause : undefined;
  return inner instanceof Error ? replyOf(inner) : error.message;
}
