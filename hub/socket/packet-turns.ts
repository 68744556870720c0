/** Packets that one turn of the event loop takes while none wait: a burst of publications leaves as one packet. */
const BURST = 64;
/** Packets that one turn takes while others wait, and packets of earlier turns that it handles. */
const PACKETS_PER_TURN = 16;
/** Packets of one connection that are handled before the next connection's. */
const QUANTUM = 8;

/** A connection whose packets wait. */
export interface Waiting {
  /** Handles at most `count` of its packets. Returns whether more wait. */
  handle(count: number): boolean;
}

/**
 * Divides the event loop among the connections that send. A turn takes 64 packets at once, 16 while others wait, and the
 * first packet of each connection. Packets beyond that wait for later turns, in which the connections alternate. So a
 * connection that sends little does not wait for those that send much, and turns stay short.
 */
export class PacketTurns {
  readonly #waiting = new Set<Waiting>();
  /** The number of the current turn, and how many packets it took. */
  #turn = 0;
  #taken = 0;
  #runs = false;

  /** A number that changes with each turn. */
  get current(): number {
    this.#run();
    return this.#turn;
  }

  /** Whether a packet is handled now, of a connection that had `own` packets handled in this turn. */
  take(own: number): boolean {
    this.#run();
    const most = this.#waiting.size > 0 ? PACKETS_PER_TURN : BURST;
    if (own > 0 && this.#taken >= most) return false;
    this.#taken += 1;
    return true;
  }

  /** Calls the connection in later turns, until no packet of it waits. */
  add(connection: Waiting): void {
    this.#waiting.add(connection);
    this.#run();
  }

  #run(): void {
    if (this.#runs) return;
    this.#runs = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#runs = false;
    this.#turn += 1;
    this.#taken = 0;
    let left = PACKETS_PER_TURN / QUANTUM;
    for (const connection of this.#waiting) {
      if (left === 0) break;
      left -= 1;
      this.#waiting.delete(connection);
      // Behind all others.
      if (connection.handle(QUANTUM)) this.#waiting.add(connection);
    }
    if (this.#waiting.size > 0) this.#run();
  }
}
