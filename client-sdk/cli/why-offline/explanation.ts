import type { Workstation, WorkstationTransition } from "../../protocol/index.ts";
import { ago, timeSeenFrom } from "../format/times.ts";

/** The number of transitions shown before and after the moment. */
const SHOWN_BEFORE = 5;
const SHOWN_AFTER = 3;

/** The data about a workstation around a moment. */
export interface Evidence {
  workstation: Pick<Workstation, "id" | "name" | "status">;
  /** Newest first, including some before the moment. */
  transitions: readonly WorkstationTransition[];
  /** The moment in question, in milliseconds since 1970. */
  atMs: number;
  /** Null if the moment is now. */
  askedAt: string | null;
  nowMs: number;
}

/** The state at the moment, and its reason. */
export interface Explanation {
  /** `unknown`: there is no earlier transition. */
  state: WorkstationTransition["kind"] | "unknown";
  sinceMs: number | null;
  untilMs: number | null;
  reason: string | null;
  nodeId: string | null;
  connectionId: string | null;
  /** The state and its reason, for people. */
  sentence: string;
  /** Advice for a person; null if nothing is wrong. */
  remedy: string | null;
  /** The transitions around the moment, oldest first. */
  around: WorkstationTransition[];
}

/** Derives the state at a moment from the transitions before it, and its end from the next one. */
export function explain({ workstation, transitions, atMs, askedAt, nowMs }: Evidence): Explanation {
  const timeOf = ({ at }: WorkstationTransition): number => Date.parse(at);
  const earlier = transitions.filter((transition) => timeOf(transition) <= atMs);
  const later = transitions.filter((transition) => timeOf(transition) > atMs).reverse();
  const [last] = earlier;
  const around = [...earlier.slice(0, SHOWN_BEFORE).reverse(), ...later.slice(0, SHOWN_AFTER)];
  const end = later.find(({ kind }) => kind !== last?.kind);
  const untilMs = end ? timeOf(end) : null;
  const parts = { workstation, last, lastOnline: connectionBefore(earlier), untilMs, nowMs, isPast: askedAt !== null };
  return {
    state: last?.kind ?? "unknown",
    sinceMs: last ? timeOf(last) : null,
    untilMs,
    reason: last?.reason ?? null,
    nodeId: last?.nodeId ?? null,
    connectionId: last?.connectionId ?? parts.lastOnline?.connectionId ?? null,
    sentence: sentenceOf(parts, atMs),
    remedy: remedyOf(parts),
    around,
  };
}

interface Parts {
  workstation: Evidence["workstation"];
  last: WorkstationTransition | undefined;
  lastOnline: { connectionId: string | null; nodeId: string | null; sinceMs: number } | null;
  untilMs: number | null;
  nowMs: number;
  isPast: boolean;
}

/** The last connection that held the presence. */
function connectionBefore(newestFirst: readonly WorkstationTransition[]): Parts["lastOnline"] {
  const online = newestFirst.find(({ kind }) => kind === "online");
  return (
    (online && { connectionId: online.connectionId, nodeId: online.nodeId, sinceMs: Date.parse(online.at) }) || null
  );
}

function sentenceOf(parts: Parts, atMs: number): string {
  const { workstation, last, untilMs, nowMs, isPast } = parts;
  const name = `${workstation.name} (${workstation.id})`;
  if (!last) {
    return isPast
      ? `The state of ${name} at ${timeSeenFrom(atMs, nowMs)} is unknown: it has no earlier transition.`
      : `${name} was never online: it has no transitions.`;
  }
  const since = `since ${timeSeenFrom(Date.parse(last.at), nowMs)}`;
  const length = ago((untilMs ?? nowMs) - Date.parse(last.at));
  const until = untilMs === null ? `, for ${length} now` : ` until ${timeSeenFrom(untilMs, nowMs)} (${length})`;
  const verb = untilMs === null ? "is" : "was";
  return `${name} ${verb} ${WORDS.get(last.kind) ?? last.kind} ${since}${until}${causeOf(parts, last)}.`;
}

const WORDS: ReadonlyMap<string, string> = new Map([["suspect", "unreachable"]]);

function causeOf({ lastOnline, nowMs }: Parts, { kind, reason, nodeId }: WorkstationTransition): string {
  if (kind === "online") return lastOnline ? `, on ${place(lastOnline)}` : "";
  const because = kind === "suspect" ? "its connection was lost" : reasonText(reason);
  const by = kind === "offline" && nodeId ? `, reported by ${nodeId}` : "";
  const connected = lastOnline
    ? `; it was last on ${place(lastOnline)}, since ${timeSeenFrom(lastOnline.sinceMs, nowMs)}`
    : "";
  return `, because ${because}${by}${connected}`;
}

const place = ({ connectionId, nodeId }: NonNullable<Parts["lastOnline"]>): string =>
  [connectionId ? `connection ${connectionId}` : "an unknown connection", ...(nodeId ? [`on ${nodeId}`] : [])].join(
    " ",
  );

const REASONS: ReadonlyMap<string | null, string> = new Map<string | null, string>([
  ["left", "its agent disconnected on purpose"],
  ["timeout", "its connection was lost and it did not reconnect within the grace period"],
  ["node_lost", "its node was lost and it did not reconnect"],
  ["revoked", "its rights were revoked"],
  [null, "its agent reported the status offline"],
]);

const reasonText = (reason: string | null): string => REASONS.get(reason) ?? `of "${reason}"`;

const REMEDIES: ReadonlyMap<string | null, string> = new Map<string | null, string>([
  ["left", "Start its agent again, and check the agent's log for why it ended."],
  [
    "timeout",
    "Check whether the machine slept, lost its network, or the hub was killed at that time. Run `monster-realtime doctor` there to check the network to the hub.",
  ],
  ["node_lost", "Check that node's log. Agents reconnect by themselves: check that this one still runs."],
  [
    "revoked",
    "Find out who did it with `monster-realtime rpc audit.list`. Resume a suspended workstation with `rpc workstations.resume`.",
  ],
  [null, "Check the agent: it was connected and reported that it takes no work."],
]);

function remedyOf({ workstation, last, untilMs }: Parts): string | null {
  if (workstation.status === "suspended") {
    return `It is suspended: restore its rights with \`monster-realtime rpc workstations.resume id=${workstation.id}\`.`;
  }
  if (!last) return "Start its agent with its registration token; `workstations.rotateToken` creates a new one.";
  if (last.kind === "online" || untilMs !== null) return null;
  if (last.kind === "suspect") return "Wait: it becomes offline after the grace period, or reconnects.";
  return REMEDIES.get(last.reason) ?? "Check the hub's log around that time.";
}
