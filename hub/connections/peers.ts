import type { Server } from "socket.io";
import { HubError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Logger } from "../log.ts";

/** What nodes ask each other: kind → what is asked and answered, as JSON. */
export type Exchange<Kinds> = { [Kind in keyof Kinds]: { question: unknown; answer: unknown } };
export type Answerers<Kinds extends Exchange<Kinds>> = {
  readonly [Kind in keyof Kinds]: (question: Kinds[Kind]["question"]) => Promise<Kinds[Kind]["answer"]>;
};

/** What came of a question. */
export interface Gathered<Answer> {
  answers: Answer[];
  /** How many nodes did not answer in time. */
  silent: number;
}

interface Asked {
  ask: string;
  kind: string;
  question: unknown;
}

const EVENT = "hub.ask";
/** What the adapter emits with each answer as it comes; its own acks come all together. */
export const ANSWERED = "answered";

/**
 * The other nodes, as far as Socket.IO's adapter reaches them; over its own adapter, in memory, there are none. A node that
 * Redis itself has lost is not counted among them. Best effort: a node that fails to answer is silent. There may be several
 * of these on a node, each with kinds of its own.
 */
export class Peers<Kinds extends Exchange<Kinds>> {
  readonly #adapter: ReturnType<Server["of"]>["adapter"];
  readonly #answerers: Answerers<Kinds>;
  readonly #log: Logger;
  /** What is asked and takes answers. */
  readonly #asked = new Map<string, (answer: never) => void>();

  constructor(io: Server, answerers: Answerers<Kinds>, log: Logger) {
    const namespace = io.of("/");
    this.#adapter = namespace.adapter;
    this.#answerers = answerers;
    this.#log = log;
    namespace.on(EVENT, (asked: Asked, reply: (answer: unknown) => void) => {
      void this.#answer(asked, reply);
    });
    this.#adapter.on(ANSWERED, (given: { ask: string; answer: unknown }) => {
      this.#asked.get(given?.ask)?.(given.answer as never);
    });
  }

  /**
   * Asks all of them, and resolves with what was answered within `limitMs`, or as soon as one is `enough`. Throws
   * `unavailable` where it is not known who there is to ask.
   */
  async ask<Kind extends keyof Kinds & string>(
    kind: Kind,
    question: Kinds[Kind]["question"],
    limitMs: number,
    enough: (answer: Kinds[Kind]["answer"]) => boolean = () => false,
  ): Promise<Gathered<Kinds[Kind]["answer"]>> {
    const until = performance.now() + limitMs;
    const others = (await within(limitMs, this.#adapter.serverCount())) - 1;
    if (others === 0) return { answers: [], silent: 0 };
    return this.#gather({ ask: newId(), kind, question }, others, until, enough);
  }

  #gather<Answer>(
    asked: Asked,
    others: number,
    until: number,
    enough: (answer: Answer) => boolean,
  ): Promise<Gathered<Answer>> {
    const answers: Answer[] = [];
    return new Promise((resolve, reject) => {
      const finish = () => {
        clearTimeout(limit);
        this.#asked.delete(asked.ask);
        resolve({ answers, silent: Math.max(0, others - answers.length) });
      };
      const limit = setTimeout(finish, until - performance.now());
      this.#asked.set(asked.ask, (answer: Answer) => {
        answers.push(answer);
        if (answers.length >= others || enough(answer)) finish();
      });
      // The adapter's own time limit is longer, and keeps what it has until all have answered.
      const sent: unknown = this.#adapter.serverSideEmit([EVENT, asked, () => undefined]);
      Promise.resolve(sent).catch((error: unknown) => {
        reject(unavailable(error));
        finish();
      });
    });
  }

  /** What can't be answered, or is asked by a newer version, is left to the asker's time limit. */
  async #answer({ ask, kind, question }: Asked, reply: (answer: unknown) => void): Promise<void> {
    try {
      if (!Object.hasOwn(this.#answerers, kind)) return;
      const answerer = this.#answerers[kind as keyof Kinds];
      reply({ ask, answer: await answerer(question as never) });
    } catch (error) {
      this.#log.warn({ err: error, kind }, "another node's question could not be answered");
    }
  }
}

async function within<Value>(limitMs: number, work: Promise<Value>): Promise<Value> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    limit = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw unavailable(error);
  } finally {
    clearTimeout(limit);
  }
}

/** What is sought may be known to a node that did not answer. */
export function unanswered(may: string): HubError {
  return new HubError("unavailable", `A node that may ${may} does not answer. Try again.`, { retryAfterMs: 1_000 });
}

function unavailable(cause: unknown): HubError {
  return new HubError("unavailable", "The nodes can't ask each other now. Try again.", { cause, retryAfterMs: 1_000 });
}
