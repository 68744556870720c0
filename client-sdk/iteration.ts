import { IterationOverflowError, type RealtimeError } from "./errors.ts";
import type { Publication } from "./protocol/index.ts";

/** Publications that a loop may fall behind by. */
export const ITERATION_LIMIT = 10_000;

interface Source {
  readonly state: { name: string; error?: RealtimeError | null };
  on(name: "publication", handler: (publication: Publication) => void): () => void;
  on(name: "state", handler: () => void): () => void;
}

/**
 * The publications from now on, in order, for `for await`. It ends with the subscription, throws its error where it ended
 * with one, and throws IterationOverflowError where the loop falls behind too far.
 */
export async function* iterate(source: Source): AsyncGenerator<Publication, void, void> {
  const waiting: Publication[] = [];
  let wake = () => {};
  const stopPublications = source.on("publication", (publication) => {
    waiting.push(publication);
    wake();
  });
  const stopState = source.on("state", () => wake());
  try {
    for (;;) {
      if (waiting.length > ITERATION_LIMIT) throw new IterationOverflowError(ITERATION_LIMIT);
      const next = waiting.shift();
      if (next) yield next;
      else if (source.state.name === "ended") return throwIfFailed(source.state.error);
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    stopPublications();
    stopState();
  }
}

function throwIfFailed(error: RealtimeError | null | undefined): void {
  if (error) throw error;
}
