import type { Sql } from "postgres";

const END_SECONDS = 1;

/** Runs with a connection that is the caller's alone until it is given back. */
export type Turn = (connection: Sql) => void;

/**
 * At most `max` connections, each for one caller at a time, in the order of asking. The driver's own pool sends statements
 * one behind another on a connection, where a slow one holds up the rest, and shows neither what waits nor what is frozen.
 */
export class ConnectionPool {
  readonly #open: () => Sql;
  /** The last one given back is taken first: it is connected, and has its statements prepared. */
  readonly #free: Sql[];
  readonly #taken = new Set<Sql>();
  readonly #waiting = new Set<Turn>();
  /** Once it is closed: refuses whatever it is asked. */
  #ended: Sql | null = null;

  /** `open` makes a client of one connection, which connects when it is used. */
  constructor(max: number, open: () => Sql) {
    this.#open = open;
    this.#free = Array.from({ length: max }, open);
  }

  /** Runs `turn` as soon as a connection is free, or at once where one is. It must not throw. */
  take(turn: Turn): void {
    const connection = this.#free.pop() ?? this.#ended;
    if (!connection) this.#waiting.add(turn);
    else this.#run(turn, connection);
  }

  /** Whoever waits no longer does; a turn that is being run goes on. */
  forget(turn: Turn): void {
    this.#waiting.delete(turn);
  }

  giveBack(connection: Sql): void {
    if (this.#taken.delete(connection)) this.#pass(connection);
  }

  /** A frozen connection never comes back: another takes its place. Nothing happens to one that was given back. */
  replace(connection: Sql): void {
    if (this.#ended || !this.#taken.delete(connection)) return;
    end(connection);
    this.#pass(this.#open());
  }

  /** Lets running statements end for a second. Whoever waits then, or comes later, gets a connection that refuses. */
  async close(): Promise<void> {
    const ended = this.#open();
    this.#ended = ended;
    await Promise.all([ended, ...this.#free, ...this.#taken].map(end));
    for (const _ of this.#waiting) this.#pass(ended);
  }

  #pass(connection: Sql): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#free.push(connection);
      return;
    }
    this.#waiting.delete(next);
    this.#run(next, connection);
  }

  #run(turn: Turn, connection: Sql): void {
    this.#taken.add(connection);
    turn(connection);
  }
}

async function end(connection: Sql): Promise<void> {
  try {
    await connection.end({ timeout: END_SECONDS });
  } catch {
    // Ending is what failed; nobody uses this connection any more.
  }
}
