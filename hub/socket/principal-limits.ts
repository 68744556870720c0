import type { Limits, PrincipalKind, PrincipalLimits } from "@monster-realtime/client/protocol";
import type { Principal } from "../auth/principal.ts";
import { HubError } from "../kernel/errors.ts";
import { Semaphore } from "../kernel/semaphore.ts";
import { TokenBucket } from "../kernel/token-bucket.ts";
import { ByteBudget } from "./byte-budget.ts";

/** What is counted for a connection, and for a principal over all its connections and HTTP calls. */
export type Metered = "publishes" | "rpcs" | "requests";
type Rates = Readonly<Record<`${Metered}PerSecond`, number>>;

export interface PrincipalLimitsOptions {
  /** By kind of principal. */
  limits: Readonly<Record<PrincipalKind, PrincipalLimits>>;
  /** For one connection. The HTTP calls of a principal count as one more connection. */
  connection: Rates;
  /** How many connections a principal may have. */
  connections: number;
  /** How long a request may take: an RPC call that waited longer is not executed. */
  requestTimeoutMs: number;
}

/** Buckets hold one second's worth: after a second without use they are full again. */
const FULL_AGAIN_MS = 1_000;
/** A quiet connection of the same principal must still be read often enough to answer pings. */
const LONGEST_PAUSE_MS = 1_000;
/** In this time a principal may connect as often as its limit of connections, and at least a hundred times. */
const CONNECTS_WITHIN_MS = 10_000;
const FEWEST_CONNECTS = 100;
/** The retry time of a call that was rejected because too many wait. */
const FULL_RETRY_MS = 1_000;

/**
 * The limits of each principal of a node over all its connections, so that many connections do not multiply its rates. The
 * state of a principal is dropped a second after its last connection and call.
 */
export class PrincipalLimiter {
  readonly #options: PrincipalLimitsOptions;
  readonly #shares = new Map<string, PrincipalShare>();
  /** Shares without a connection or call → when they were last used. The oldest comes first. */
  readonly #unused = new Map<PrincipalShare, number>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: PrincipalLimitsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.sweep(performance.now()), FULL_AGAIN_MS).unref();
  }

  /** How many principals have a state. */
  get size(): number {
    return this.#shares.size;
  }

  connectionsOf(key: string): number {
    return this.#shares.get(key)?.connections ?? 0;
  }

  /** Counts a connection attempt. Returns for how many milliseconds the principal may not connect; 0: it may. */
  takeConnect(principal: Principal, key: string, now: number): number {
    const share = this.#use(principal, key);
    const retryAfterMs = share.takeConnect(now);
    this.#release(share, now);
    return retryAfterMs;
  }

  /** The share of a connecting principal. Give it back with `disconnect`. */
  connect(principal: Principal, key: string): PrincipalShare {
    const share = this.#use(principal, key);
    share.connections += 1;
    return share;
  }

  disconnect(share: PrincipalShare, now: number): void {
    share.connections -= 1;
    this.#release(share, now);
  }

  /** Runs `work` with the share of a principal that has no connection for it. */
  async during<Result>(
    { principal, key }: { principal: Principal; key: string },
    work: (share: PrincipalShare) => Promise<Result>,
  ): Promise<Result> {
    const share = this.#use(principal, key);
    try {
      return await work(share);
    } finally {
      this.#release(share, performance.now());
    }
  }

  /** Drops every unused share whose buckets are full again. */
  sweep(now: number): void {
    for (const [share, usedAt] of this.#unused) {
      if (now - usedAt < FULL_AGAIN_MS) return;
      this.#unused.delete(share);
      if (share.busy(now)) this.#unused.set(share, now);
      else this.#shares.delete(share.key);
    }
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  #use(principal: Principal, key: string): PrincipalShare {
    let share = this.#shares.get(key);
    if (!share) {
      share = new PrincipalShare(key, this.#options.limits[principal.kind], this.#options);
      this.#shares.set(key, share);
    }
    share.uses += 1;
    this.#unused.delete(share);
    return share;
  }

  #release(share: PrincipalShare, now: number): void {
    share.uses -= 1;
    if (share.uses === 0) this.#unused.set(share, now);
  }
}

/** One principal on this node. */
export class PrincipalShare {
  readonly key: string;
  readonly limits: PrincipalLimits;
  connections = 0;
  /** Connections, and HTTP calls in progress. */
  uses = 0;
  readonly #options: PrincipalLimitsOptions;
  // Created at the first use, because most principals have one connection that only receives.
  #all: Meters | null = null;
  #http: Meters | null = null;
  #calls: Semaphore | null = null;
  #bytes: ByteBudget | null = null;
  /** When the connection attempts so far are paid for, at one for each interval. */
  #connectsPaidAt = 0;

  constructor(key: string, limits: PrincipalLimits, options: PrincipalLimitsOptions) {
    this.key = key;
    this.limits = limits;
    this.#options = options;
  }

  /** Whether its state must be kept: RPC calls run or wait, or it is over a limit. */
  busy(now: number): boolean {
    if (this.#calls !== null && !this.#calls.idle) return true;
    return this.#connectsPaidAt > now || (this.#bytes !== null && this.spend(0, now) > 0);
  }

  /** Counts a connection attempt. Returns for how many milliseconds no further one is admitted; 0: this one is. */
  takeConnect(now: number): number {
    const intervalMs = CONNECTS_WITHIN_MS / Math.max(FEWEST_CONNECTS, this.#options.connections);
    const retryAfterMs = this.#connectsPaidAt - now - (CONNECTS_WITHIN_MS - intervalMs);
    if (retryAfterMs > 0) return Math.ceil(retryAfterMs);
    this.#connectsPaidAt = Math.max(this.#connectsPaidAt, now) + intervalMs;
    return 0;
  }

  /** Counts a request. Throws `rate_limited` if the principal's connections together are over the rate. */
  take(what: Metered, now: number): void {
    const refusal = this.refuse(what, now);
    if (refusal) throw refusal;
  }

  /** The same, but returns the refusal; null: the request is counted. */
  refuse(what: Metered, now: number): HubError | null {
    this.#all ??= new Meters(this.limits);
    const retryAfterMs = this.#all.take(what, now);
    if (retryAfterMs === 0) return null;
    const message = `The connections of this principal together exceed its ${what} per second. Send fewer: \`limits.principal\` of \`welcome\` has the rates.`;
    return new HubError("rate_limited", message, { retryAfterMs });
  }

  /** Counts bytes that its connections sent. Returns for how many milliseconds they should not be read. */
  spend(bytes: number, now: number): number {
    this.#bytes ??= new ByteBudget();
    return Math.min(LONGEST_PAUSE_MS, this.#bytes.spend(bytes, this.limits.bytesPerSecond, now));
  }

  /** The same as `take` for an HTTP call, which is limited like a connection too. */
  takeByHttp(what: Metered, now: number): void {
    this.#http ??= new Meters(this.#options.connection);
    const retryAfterMs = this.#http.take(what, now);
    if (retryAfterMs > 0) throw new HubError("rate_limited", "Too many calls. Slow down.", { retryAfterMs });
    this.take(what, now);
  }

  /**
   * Executes an RPC call, at most `rpcsInFlight` concurrently. The others wait in order: at most a second's worth of them,
   * beyond which calls are `rate_limited`, and no longer than a request may take. A call that waited longer is not
   * executed, and is rejected with `timeout`.
   */
  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#calls ??= new Semaphore(this.limits.rpcsInFlight);
    const calls = this.#calls;
    if (calls.waiting >= this.limits.rpcsPerSecond) throw tooManyWait(calls.waiting);
    const expiresAt = performance.now() + this.#options.requestTimeoutMs;
    return calls.run(async () => {
      if (performance.now() > expiresAt) throw waitedTooLong();
      return await work();
    });
  }
}

/** The limits in `welcome`: those of a connection and those of its principal. */
export function welcomeLimits(limits: Omit<Limits, "principal">, { limits: principal }: PrincipalShare): Limits {
  const { messageBytes, metaBytes, recoveryBytes, channelsPerConnection } = limits;
  const { publishesPerSecond, rpcsPerSecond, requestsPerSecond, bytesPerSecond } = limits;
  const { frameBytes, packetsPerPost } = limits;
  const rates = { publishesPerSecond, rpcsPerSecond, requestsPerSecond, bytesPerSecond };
  const sizes = { messageBytes, metaBytes, recoveryBytes, frameBytes };
  return { ...sizes, channelsPerConnection, packetsPerPost, ...rates, principal };
}

/** A bucket for each kind of request, created at its first use. */
class Meters {
  readonly #rates: Rates;
  #publishes: TokenBucket | null = null;
  #rpcs: TokenBucket | null = null;
  #requests: TokenBucket | null = null;

  constructor(rates: Rates) {
    this.#rates = rates;
  }

  /** 0, or the milliseconds after which to retry. */
  take(what: Metered, now: number): number {
    return this.#bucket(what).take(now);
  }

  #bucket(what: Metered): TokenBucket {
    switch (what) {
      case "publishes":
        this.#publishes ??= new TokenBucket(this.#rates.publishesPerSecond);
        return this.#publishes;
      case "rpcs":
        this.#rpcs ??= new TokenBucket(this.#rates.rpcsPerSecond);
        return this.#rpcs;
      case "requests":
        this.#requests ??= new TokenBucket(this.#rates.requestsPerSecond);
        return this.#requests;
    }
  }
}

function tooManyWait(waiting: number): HubError {
  const message = `${waiting} RPC calls of this principal wait for execution. Wait for answers before more calls.`;
  return new HubError("rate_limited", message, { retryAfterMs: FULL_RETRY_MS });
}

function waitedTooLong(): HubError {
  const message =
    "This call waited for the principal's earlier calls until it timed out, and was not executed. Send fewer calls at once, and try again.";
  return new HubError("timeout", message);
}
