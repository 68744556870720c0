import type { Sql } from "postgres";
import { Deadlines } from "../deadlines.ts";
import { FairQueue, type Offer, type Share } from "./fair-queue.ts";
import { HeldConnections, HUB_SHARES } from "./held-connections.ts";

/** A statement or transaction that needs a connection. */
export interface Turn {
  readonly share: Share;
  /** Whether it can't share its connection: a transaction. */
  readonly alone: boolean;
  /** By the pool's clock, `performance.now()`. */
  readonly askedAt: number;
  /** Begins, with a client of one connection, which is to be given back. Must not throw. */
  run(connection: Sql): void;
}

interface Use {
  /** Of the statement that was sent last. */
  share: Share;
  turns: number;
  readonly alone: boolean;
  /** When the statement that is now to be answered became the first. */
  since: number;
}

/** It makes a full house a quarter faster, and is what a jam can hold up. */
const MAX_TURNS = 8;
/**
 * Nothing is sent behind a statement that is out for longer, nor what waited longer: there is a jam, and what waits here
 * may yet be forgotten.
 */
const SHARED_WITHIN_MS = 50;
const END_SECONDS = 1;

export interface ConnectionPoolOptions {
  /** In milliseconds. */
  now?: () => number;
  /** Statements sent one behind another on one connection at most. */
  maxTurns?: number;
}

/**
 * At most `max` connections. Organizations and principals take turns for them (`FairQueue`), and none can hold all of them
 * (`HeldConnections`). Statements follow each other on one connection only within one organization. The driver's own pool
 * shows neither what waits nor what is frozen, sends statements behind one that never ends, and can't close one connection.
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
  readonly #held: HeldConnections;
  /** Once it is closed: refuses whatever it is asked. */
  #ended: Sql | null = null;

  /**
   * `open` makes a client of one connection, which connects when it is used. A connection on which nothing was answered for
   * `frozenMs` is given up, with all that was sent on it, and another takes its place.
   */
  constructor(max: number, frozenMs: number, open: () => Sql, options: ConnectionPoolOptions = {}) {
    const { now = () => performance.now(), maxTurns = MAX_TURNS } = options;
    this.#open = open;
    this.#now = now;
    this.#maxTurns = maxTurns;
    this.#answers = new Deadlines(frozenMs);
    this.#free = Array.from({ length: max }, open);
    this.#held = new HeldConnections(max);
  }

  /** Runs `turn` at once or as soon as there is a connection for it. */
  take(turn: Turn): void {
    if (this.#waiting.size === 0 && this.#offer(turn) === "begun") return;
    this.#waiting.add(turn);
    this.#serve();
  }

  /** Whether `turn` still waited; then it never runs. */
  forget(turn: Turn): boolean {
    return this.#waiting.delete(turn);
  }

  /** Something was answered on this connection, and more is asked. */
  answered(connection: Sql): void {
    const use = this.#used.get(connection);
    if (use) this.#expectAnswer(connection, use);
  }

  giveBack(connection: Sql): void {
    const use = this.#used.get(connection);
    // Given up meanwhile.
    if (!use) return;
    use.turns -= 1;
    if (use.turns > 0) this.#expectAnswer(connection, use);
    else this.#letGo(connection, connection);
    this.#serve();
  }

  /** Lets running statements end for a second. Whoever waits then, or comes later, gets a connection that refuses. */
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
    const offer = (turn: Turn) => (this.#held.goesOn(turn.share) ? this.#offer(turn) : "skip");
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

  /** Of the organization's connections that answered a moment ago, the one with the fewest statements. */
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

  /** Else a principal would be charged for as long as others of its organization share the connection that it took. */
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
    // Ending is what failed; nobody uses this connection any more.
  }
}
