import type { Sql } from "postgres";
import { Deadlines } from "../deadlines.ts";

/** What wants a connection. */
export interface Turn {
  /** Whether it can't share its connection: a transaction. */
  readonly alone: boolean;
  /** By `performance.now()`. */
  readonly askedAt: number;
  /** Begins, with a client of one connection, which is to be given back. Must not throw. */
  run(connection: Sql): void;
}

interface Use {
  turns: number;
  readonly alone: boolean;
  /** When the statement that is now to be answered became the first. */
  since: number;
}

/** Statements sent one behind another at most. It makes a full house a quarter faster, and is what a jam can hold up. */
const MAX_TURNS = 8;
/**
 * Nothing is sent behind a statement that is out for longer, nor what waited longer: there is a jam, and what waits here
 * may yet be forgotten.
 */
const SHARED_WITHIN_MS = 50;
const END_SECONDS = 1;

/**
 * At most `max` connections, taken in the order of asking. The driver's own pool shows neither what waits nor what is
 * frozen, sends whatever it has behind a statement that never ends, and can't let go of one connection alone.
 */
export class ConnectionPool {
  readonly #open: () => Sql;
  readonly #answers: Deadlines;
  /** The last one given back is taken first: it is connected, and has its statements prepared. */
  readonly #free: Sql[];
  readonly #used = new Map<Sql, Use>();
  readonly #waiting = new Set<Turn>();
  /** Once it is closed: refuses whatever it is asked. */
  #ended: Sql | null = null;

  /**
   * `open` makes a client of one connection, which connects when it is used. A connection on which nothing was answered for
   * `frozenMs` is given up, with all that was sent on it, and another takes its place.
   */
  constructor(max: number, frozenMs: number, open: () => Sql) {
    this.#open = open;
    this.#answers = new Deadlines(frozenMs);
    this.#free = Array.from({ length: max }, open);
  }

  /** Runs `turn` at once or as soon as there is a connection for it. */
  take(turn: Turn): void {
    this.#waiting.add(turn);
    this.#serve();
  }

  /** It runs no more if it still waits. */
  forget(turn: Turn): void {
    this.#waiting.delete(turn);
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
    for (const turn of this.#waiting) {
      const connection = this.#connectionFor(turn);
      if (!connection) return;
      this.#waiting.delete(turn);
      turn.run(connection);
    }
  }

  #connectionFor(turn: Turn): Sql | null {
    const connection = this.#free.pop();
    if (!connection) return this.#ended ?? this.#shared(turn);
    const use = { turns: 1, alone: turn.alone, since: 0 };
    this.#used.set(connection, use);
    this.#expectAnswer(connection, use);
    return connection;
  }

  /** Of those that were answered a moment ago, the one with the fewest statements. */
  #shared({ alone, askedAt }: Turn): Sql | null {
    const earliest = performance.now() - SHARED_WITHIN_MS;
    if (alone || askedAt < earliest) return null;
    let best: [Sql, Use] | null = null;
    for (const [connection, use] of this.#used) {
      if (use.alone || use.since < earliest || use.turns >= (best?.[1].turns ?? MAX_TURNS)) continue;
      best = [connection, use];
    }
    if (!best) return null;
    best[1].turns += 1;
    return best[0];
  }

  #expectAnswer(connection: Sql, use: Use): void {
    use.since = performance.now();
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
