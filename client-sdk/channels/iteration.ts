import { IterationOverflowError, PublicationsLostError, type RealtimeError } from "../kernel/errors.ts";
import type { Publication, StreamPosition } from "../protocol/index.ts";

/** The number of publications that a loop may fall behind. */
const ITERATION_LIMIT = 10_000;

interface Source {
  readonly state: { name: string; error?: RealtimeError | null };
  readonly position: StreamPosition | null;
  on(name: "publication", handler: (publication: Publication) => void): () => void;
  on(name: "lost", handler: (lost: { previous: StreamPosition; position: StreamPosition }) => void): () => void;
  on(name: "state", handler: () => void): () => void;
}

/**
 * Yields the publications from now on, in order, for `for await`. It returns when the subscription ends and throws the
 * subscription's error if there is one. It throws PublicationsLostError if publications are missing from the stream,
 * and IterationOverflowError if the loop falls too far behind.
 */
export async function* iterate(source: Source): AsyncGenerator<Publication, void, void> {
  const backlog = new Backlog(source);
  try {
    for (;;) {
      const next = backlog.take();
      if (next) yield next;
      else if (backlog.failure) throw backlog.failure;
      else if (source.state.name !== "ended") await backlog.changed();
      else if (source.state.error) throw source.state.error;
      else return;
    }
  } finally {
    backlog.stop();
  }
}

/** The publications that a loop has not taken yet, up to the first failure. */
class Backlog {
  readonly #source: Source;
  readonly #stops: (() => void)[];
  #waiting: { publication: Publication; position: StreamPosition | null }[] = [];
  /** The position of the publication that the loop took last. */
  #taken: StreamPosition | null;
  #wake = () => {};
  failure: RealtimeError | null = null;

  constructor(source: Source) {
    this.#source = source;
    this.#taken = source.position;
    this.#stops = [
      source.on("publication", (publication) => this.#add(publication)),
      source.on("lost", ({ previous, position }) => this.#fail(new PublicationsLostError(previous, position))),
      source.on("state", () => this.#wake()),
    ];
  }

  take(): Publication | null {
    const next = this.#waiting.shift();
    if (!next) return null;
    this.#taken = next.position;
    return next.publication;
  }

  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #add(publication: Publication): void {
    if (this.#waiting.length < ITERATION_LIMIT) {
      this.#waiting.push({ publication, position: this.#source.position });
      this.#wake();
    } else {
      // A caller that recovers from the last taken position receives these again.
      this.#waiting = [];
      this.#fail(new IterationOverflowError(ITERATION_LIMIT, this.#taken));
    }
  }

  #fail(failure: RealtimeError): void {
    this.stop();
    this.failure = failure;
    this.#wake();
  }
}
