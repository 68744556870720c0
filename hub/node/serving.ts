/**
 * At most one hub without Redis serves a database, and none beside hubs with Redis. This file makes the decisions, as
 * synchronous functions of state, input and `now` (a monotonic clock in milliseconds). `serving-keeper.ts` executes them on
 * a separate connection to Postgres, and `test/node/serving-simulation.test.ts` with simulated faults.
 */

/** How often the holder proves its lock. */
const BEAT_MS = 1_000;
/**
 * How long a proof is valid, from the moment its query was sent. Without an answer the holder stops after this time. Only
 * later does Postgres, which waits `SESSION_IDLE_MS` from its last answer, give the lock to another hub.
 */
export const LEASE_MS = 4_000;
/** How long Postgres keeps the lock of a session that sends nothing. */
export const SESSION_IDLE_MS = 5_000;
/** How often a waiting hub tries to get the lock. */
export const RETRY_MS = 250;
/** The least time between two takeovers, so that two permanently running hubs do not alternate. */
export const TAKEOVERS_APART_MS = 60_000;
/**
 * How long after the last proof the lock is reserved for a holder that did not release it. Other hubs may not take over: a
 * restarted Postgres has lost every session, and the first hub to ask would get the lock.
 */
export const RESERVED_MS = 60_000;
/** How often the holder records its proof in the serving hub's row. */
export const NOTE_MS = 5_000;

/** The serving hub in the database; null while the holder has not yet written it. */
export interface Holder {
  nodeId: string;
  withRedis: boolean;
  /** Whether no other hub has served since this one did: Postgres has not ended this hub's former session yet. */
  own: boolean;
}

/**
 * `waiting`: the hub has never served. `serving`: it holds the lock in `term`, proven at `provenAt`. `cut off`: it held
 * the lock and can't prove it now. `leaving`: it holds the lock, and a successor requested it. `released`: it released the
 * lock, or lost it while it was `leaving`; `successorAsked`: for a successor. `replaced`: another hub has served since it
 * held the lock.
 */
export type Serving =
  | { name: "waiting"; request: "not sent" | "sent" | "refused"; holder: Holder | null }
  | { name: "serving"; term: number; provenAt: number }
  | { name: "cut off"; term: number }
  | { name: "leaving"; term: number; provenAt: number }
  | { name: "released"; successorAsked: boolean }
  | { name: "replaced" };

export type Input =
  /** The lock is held from now on. `at`: when the last query was sent. */
  | { name: "acquired"; term: number; at: number }
  | { name: "held"; holder: Holder | null }
  /** The lock was free, but another hub held it since this one did. */
  | { name: "superseded" }
  | { name: "request answered"; granted: boolean }
  | { name: "proven"; at: number; successorWaits: boolean }
  /** The connection was lost, or no answer came in time. */
  | { name: "lost" }
  | { name: "released" };

/** The next step; null: none any more. */
export type Step = "acquire" | "request" | "prove" | null;

export const WAITING: Serving = { name: "waiting", request: "not sent", holder: null };

/** The state that follows; the same object if the input changes nothing. */
export function afterInput(state: Serving, input: Input, withRedis: boolean): Serving {
  if (state.name === "released" || state.name === "replaced") return state;
  if (input.name === "released") return { name: "released", successorAsked: state.name === "leaving" };
  switch (state.name) {
    case "waiting":
      return afterWaiting(state, input);
    case "serving":
      return afterServing(state, input, withRedis);
    case "cut off":
      return afterCutOff(state, input);
    case "leaving":
      if (input.name === "proven") return { ...state, provenAt: input.at };
      return input.name === "lost" ? { name: "released", successorAsked: true } : state;
  }
}

function afterWaiting(state: Extract<Serving, { name: "waiting" }>, input: Input): Serving {
  switch (input.name) {
    case "acquired":
      return { name: "serving", term: input.term, provenAt: input.at };
    case "request answered":
      return { ...state, request: input.granted ? "sent" : "refused" };
    case "held":
      return { ...state, holder: input.holder, request: passedOver(state, input.holder) ? "refused" : state.request };
    case "lost":
      // The holder looks for the requesting session, which has ended.
      return state.request === "sent" ? { ...state, request: "not sent" } : state;
    default:
      return state;
  }
}

/** Another hub than the requested one serves now: a second request would be the next takeover. */
function passedOver({ request, holder }: Extract<Serving, { name: "waiting" }>, seen: Holder | null): boolean {
  return request === "sent" && holder !== null && seen !== null && seen.nodeId !== holder.nodeId;
}

function afterServing(state: Extract<Serving, { name: "serving" }>, input: Input, withRedis: boolean): Serving {
  if (input.name === "lost") return { name: "cut off", term: state.term };
  if (input.name !== "proven") return state;
  const asked = input.successorWaits && !withRedis;
  return { name: asked ? "leaving" : "serving", term: state.term, provenAt: input.at };
}

function afterCutOff(state: Extract<Serving, { name: "cut off" }>, input: Input): Serving {
  switch (input.name) {
    case "acquired":
      return { name: "serving", term: input.term, provenAt: input.at };
    case "superseded":
      return { name: "replaced" };
    case "held":
      return input.holder !== null && !input.holder.own ? { name: "replaced" } : state;
    default:
      return state;
  }
}

/** The term in which the hub may publish changes and write presence now, or null. */
export function termAt(state: Serving, now: number): number | null {
  const holds = state.name === "serving" || state.name === "leaving";
  return holds && now - state.provenAt < LEASE_MS ? state.term : null;
}

export function nextStep(state: Serving): Step {
  switch (state.name) {
    case "waiting":
      return state.request === "not sent" && mayRequest(state.holder) ? "request" : "acquire";
    case "serving":
    case "leaving":
      return "prove";
    case "cut off":
      return "acquire";
    default:
      return null;
  }
}

/** Hubs with Redis keep serving: a hub without it would take their clients to streams and rosters that they do not share. */
function mayRequest(holder: Holder | null): boolean {
  return holder !== null && !holder.withRedis;
}

/** The pause between a step and the next one. */
export function pauseAfter(state: Serving): number {
  return state.name === "serving" || state.name === "leaving" ? BEAT_MS : RETRY_MS;
}

/** How long an answer may take before the connection counts as lost. */
export function patience(state: Serving, now: number): number {
  const holds = state.name === "serving" || state.name === "leaving";
  return holds ? Math.max(0, state.provenAt + LEASE_MS - now) : LEASE_MS;
}

/** Why the hub is not ready, and what to do; null: it serves. */
export function whyNotServing(state: Serving, now: number, withRedis: boolean): string | null {
  switch (state.name) {
    case "serving":
      return termAt(state, now) === null ? CUT_OFF : null;
    case "cut off":
      return CUT_OFF;
    case "waiting":
      return whyWaiting(state, withRedis);
    default:
      return "Another hub takes over this database. This hub asks its clients to reconnect, and ends.";
  }
}

const CUT_OFF =
  "This hub publishes no changes and writes no presence: the database connection that proves that no other hub serves is " +
  "lost. Check Postgres and the network; the hub connects again by itself.";

function whyWaiting({ request, holder }: Extract<Serving, { name: "waiting" }>, withRedis: boolean): string {
  if (holder === null) return "This hub waits for its turn to serve this database. Wait a few seconds.";
  if (holder.withRedis) {
    return (
      `This hub does not serve: hubs with Redis serve this database, or ended without a release within ${RESERVED_MS / 1000} s, ` +
      "and this one has no REDIS_URL. Set REDIS_URL to their Redis, or stop all of them."
    );
  }
  const other = `another hub without Redis (${holder.nodeId}) serves this database`;
  if (request !== "refused") return `This hub waits: ${other} and was asked to hand over. Wait a few seconds.`;
  const remedy = withRedis
    ? "Stop that hub, or deploy this one again after a minute."
    : "Stop one of the two, or set REDIS_URL for both, so that they serve together.";
  return `This hub does not serve: ${other}, and took over less than ${TAKEOVERS_APART_MS / 1000} s before this hub asked. ${remedy}`;
}
