/** A transport as a source of packets. */
export interface PacketSource {
  pause(): void;
  resume(): void;
  /** Sets the size of the largest frame that is read. A larger one ends the transport. */
  limitFrames(bytes: number): void;
  /** Passes a packet on to Engine.IO. */
  deliver(packet: unknown): void;
}

/** Whether the transports of one connection are read. There is one, and one more for each attempt to upgrade. */
export class Reading {
  // The first transport is not in an array, which would take more memory than the rest of an idle connection's intake.
  #first: PacketSource | null = null;
  #others: PacketSource[] | null = null;
  #stops = 0;

  /** Adds a transport; it is paused while reading is stopped. */
  add(source: PacketSource): void {
    if (!this.#first) this.#first = source;
    else if (this.#others) this.#others.push(source);
    else this.#others = [source];
    if (this.#stops > 0) source.pause();
  }

  /** A transport has closed. */
  remove(source: PacketSource): void {
    if (this.#first === source) this.#first = this.#others?.shift() ?? null;
    else this.#others = this.#others?.filter((other) => other !== source) ?? null;
  }

  limitFrames(bytes: number): void {
    this.#each((source) => source.limitFrames(bytes));
  }

  /** Stops reading until `go` was called as often. */
  stop(): void {
    this.#stops += 1;
    if (this.#stops === 1) this.#each((source) => source.pause());
  }

  go(): void {
    this.#stops -= 1;
    if (this.#stops === 0) this.#each((source) => source.resume());
  }

  #each(visit: (source: PacketSource) => void): void {
    if (this.#first) visit(this.#first);
    for (const source of this.#others ?? []) visit(source);
  }
}
