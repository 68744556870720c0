import type { Workstation, WorkstationTransition } from "../../protocol/index.ts";
import { ago } from "../ago.ts";
import { timeSeenFrom } from "../times.ts";

/** Transitions that are shown on either side of the moment. */
const SHOWN_BEFORE = 5;
const SHOWN_AFTER = 3;

/** What is known of a workstation around a moment. */
export interface Evidence {
  workstation: Pick<Workstation, "id" | "name" | "status">;
  /** Newest first; as far back as some before the moment. */
  transitions: readonly WorkstationTransition[];
  /** The moment that was asked about, in milliseconds since 1970. */
  atMs: number;
  /** Null where the moment is now. */
  askedAt: string | null;
  nowMs: number;
}

/** Why it was as it was. */
export interface Explanation {
  /** `unknown`: nothing was kept of it before that moment. */
  state: WorkstationTransition["kind"] | "unknown";
  sinceMs: number | null;
  untilMs: number | null;
  reason: string | null;
  nodeId: string | null;
  connectionId: string | null;
  /** What was, and why. */
  sentence: string;
  /** What a person could do; null where nothing is wrong. */
  remedy: string | null;
  /** The transitions around the moment, oldest first. */
  around: WorkstationTransition[];
}

/** Reads the state at a moment from the transitions before it, and its end from the one behind. */
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

/** The connection that held the presence before it went. */
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
      ? `Nothing is known of ${name} at ${timeSeenFrom(atMs, nowMs)}: no transition of it was kept from before.`
      : `${name} was never online: no transition of it was kept.`;
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
  const because = kind === "suspect" ? "its connection was lost without a goodbye" : reasonText(reason);
  const by = kind === "offline" && nodeId ? `, told by ${nodeId}` : "";
  const connected = lastOnline
    ? `; it was last on ${place(lastOnline)}, since ${timeSeenFrom(lastOnline.sinceMs, nowMs)}`
    : "";
  return `, because ${because}${by}${connected}`;
}

const place = ({ connectionId, nodeId }: NonNullable<Parts["lastOnline"]>): string =>
  [
    connectionId ? `connection ${connectionId}` : "a connection without a name",
    ...(nodeId ? [`on ${nodeId}`] : []),
  ].join(" ");

const REASONS: ReadonlyMap<string | null, string> = new Map<string | null, string>([
  ["left", "its agent said goodbye"],
  ["timeout", "its connection was lost and it did not come back within the grace time"],
  ["node_lost", "the node that it was connected to is gone and it did not come back"],
  ["revoked", "its rights were taken"],
  [null, "its agent itself told the status offline"],
]);

const reasonText = (reason: string | null): string => REASONS.get(reason) ?? `of "${reason}"`;

const REMEDIES: ReadonlyMap<string | null, string> = new Map<string | null, string>([
  ["left", "Start its agent again, and look into the agent's own log for why it ended."],
  [
    "timeout",
    "Look whether the machine sleeps, has lost its network, or the hub itself was killed at that time; `monster-realtime doctor`, run there, checks the way to the hub.",
  ],
  ["node_lost", "Look into that node's log; agents reconnect by themselves, so see that this one still runs."],
  [
    "revoked",
    "See who did it: `monster-realtime rpc audit.list`. A suspended workstation comes back by `rpc workstations.resume`.",
  ],
  [null, "Look at the agent there: it is connected, or was, and says that it takes no work."],
]);

function remedyOf({ workstation, last, untilMs }: Parts): string | null {
  if (workstation.status === "suspended") {
    return `It is suspended: give its rights back by \`monster-realtime rpc workstations.resume id=${workstation.id}\`.`;
  }
  if (!last) return "Start its agent with its registration token; `workstations.rotateToken` makes a new one.";
  if (last.kind === "online" || untilMs !== null) return null;
  if (last.kind === "suspect") return "Wait: it turns offline after the grace time, or comes back without a trace.";
  return REMEDIES.get(last.reason) ?? "Look into the hub's log around that time.";
}
