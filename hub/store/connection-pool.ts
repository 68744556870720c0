import type { Sql } from "postgres";
import { Deadlines } from "../kernel/deadlines.ts";
import { FairQueue, type Offer, type Share } from "./fair-queue.ts";
import { HUB_SHARES, PoolShares } from "./pool-shares.ts";

/** A statement or transaction that needs a connection. */
export interface Turn {
  readonly share: Share;
  /** Whether it must have its connection alone: a transaction. */
  readonly alone: boolean;
  /** By the pool's clock, `performance.now()`. */
  readonly askedAt: number;
  /** Starts the work with a client of one connection, which must be given back. Must not throw. */
  run(connection: Sql): void;
}

interface Use {
  /** The share of the statement that was sent last. */
  share: Share;
  turns: number;
  readonly alone: boolean;
  /** When the oldest unanswered statement became the first. */
  since: number;
}

/** The limit of statements on one connection. It makes a saturated pool a quarter faster, and bounds what one stall delays. */
const MAX_TURNS = 8;
/**
 * Statements share a connection only if its first one, and their own wait, is younger than this. Otherwise the connection
 * is stalled, and work that still waits here can be cancelled.
 */
const SHARED_WITHIN_MS = 50;
const END_SECONDS = 1;

export interface ConnectionPoolOptions {
  /** In milliseconds. */
  now?: () => number;
  /** The most statements pipelined on one connection. */
  maxTurns?: number;
}

/**
 * At most `max` connections. Organizations and principals take turns for them (`FairQueue`), and none can hold all of them
 * (`PoolShares`). Statements share a connection only within one organization. The driver's own pool shows neither
 * waiting work nor frozen connections, pipelines behind statements that never end, and can't close a single connection.
 */
export class ConnectionPool {
  readonly #open: () => Sql;
  readonly #now: () => number;
  readonly #maxTurns: number;
  readonly #answers: Deadlines;
  /** The last one given back is taken first: it is connected, and has its statements prepared. */
  readonly #free: Sql[];
  readonly #used = new Map<Sql, Use>();
  readonly #waiting = new FairQueue<Turn>();
  readonly #held: PoolShares;
  /** The client that rejects all work once the pool is closed. */
  #ended: Sql | null = null;

  /**
   * `open` creates a client of one connection, which connects at its first use. A connection without an answer for
   * `frozenMs` is closed, with all statements on it, and a new one takes its place.
   */
  constructor(max: number, frozenMs: number, open: () => Sql, options: ConnectionPoolOptions = {}) {
    const { now = () => performance.now(), maxTurns = MAX_TURNS } = options;
    this.#open = open;
    this.#now = now;
    this.#maxTurns = maxTurns;
    this.#answers = new Deadlines(frozenMs);
    this.#free = Array.from({ length: max }, open);
    this.#held = new PoolShares(max);
  }

  /** Runs `turn` immediately, or as soon as a connection is available for it. */
  take(turn: Turn): void {
    if (this.#waiting.size === 0 && this.#offer(turn) === "begun") return;
    this.#waiting.add(turn);
    this.#serve();
  }

  /** Cancels `turn`. Returns whether it still waited; then it never runs. */
  forget(turn: Turn): boolean {
    return this.#waiting.delete(turn);
  }

  /** The connection answered, and further statements follow. */
  answered(connection: Sql): void {
    const use = this.#used.get(connection);
    if (use) this.#expectAnswer(connection, use);
  }

  giveBack(connection: Sql): void {
    const use = this.#used.get(connection);
    // The connection was closed in the meantime.
    if (!use) return;
    use.turns -= 1;
    if (use.turns > 0) this.#expectAnswer(connection, use);
    else this.#letGo(connection, connection);
    this.#serve();
  }

  /** Lets running statements end for a second. Work that waits then, or comes later, gets a connection that rejects. */
  async close(): Promise<void> {
    const ended = this.#open();
    this.#ended = ended;
    await Promise.all([ended, ...this.#free, ...this.#used.keys()].map(end));
    this.#answers.close();
    this.#serve();
  }

  #serve(): void {
    const isStopped = this.#waiting.serve((turn, passedOver) => this.#offer(turn, passedOver));
    if (!isStopped) return;
    const offer = (turn: Turn) => (this.#held.mayProceed(turn.share) ? this.#offer(turn) : "skip");
    for (const { organization } of HUB_SHARES) this.#waiting.serveOnly(organization, offer);
  }

  #offer(turn: Turn, passedOver = false): Offer {
    const connection = this.#connectionFor(turn, passedOver);
    if (!connection) return this.#held.refusal(turn.share, this.#free.length);
    turn.run(connection);
    return "begun";
  }

  #connectionFor(turn: Turn, passedOver: boolean): Sql | null {
    if (this.#ended) return this.#ended;
    if (!this.#held.mayTake(turn.share, this.#free.length, passedOver)) return this.#shared(turn);
    const connection = this.#free.pop();
    if (!connection) return null;
    const use = { share: turn.share, turns: 1, alone: turn.alone, since: 0 };
    this.#held.take(turn.share);
    this.#used.set(connection, use);
    this.#expectAnswer(connection, use);
    return connection;
  }

  /** The organization's recently answering connection with the fewest statements. */
  #shared({ alone, askedAt, share }: Turn): Sql | null {
    const earliest = this.#now() - SHARED_WITHIN_MS;
    if (alone || askedAt < earliest) return null;
    let best: [Sql, Use] | null = null;
    for (const [connection, use] of this.#used) {
      if (use.share.organization !== share.organization) continue;
      if (use.alone || use.since < earliest || use.turns >= (best?.[1].turns ?? this.#maxTurns)) continue;
      best = [connection, use];
    }
    if (!best) return null;
    const [connection, use] = best;
    use.turns += 1;
    this.#charge(use, share);
    return connection;
  }

  /** Otherwise a principal would be charged for as long as others of its organization use the connection that it took. */
  #charge(use: Use, share: Share): void {
    this.#held.giveBack(use.share);
    use.share = share;
    this.#held.take(share);
  }

  #expectAnswer(connection: Sql, use: Use): void {
    use.since = this.#now();
    this.#answers.done(connection);
    this.#answers.start(connection, () => this.#giveUp(connection));
  }

  #giveUp(connection: Sql): void {
    if (this.#ended) return;
    end(connection);
    this.#letGo(connection, this.#open());
    this.#serve();
  }

  #letGo(connection: Sql, next: Sql): void {
    const use = this.#used.get(connection);
    if (use) this.#held.giveBack(use.share);
    this.#answers.done(connection);
    this.#used.delete(connection);
    this.#free.push(next);
  }
}

async function end(connection: Sql): Promise<void> {
  try {
    await connection.end({ timeout: END_SECONDS });
  } catch {
    // Closing failed; the connection is out of use anyway.
  }
}
