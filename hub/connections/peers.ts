import type { Server } from "socket.io";
import { HubError } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import type { Logger } from "../kernel/log.ts";

/** The queries between nodes: kind → question and answer, as JSON. */
export type Exchange<Kinds> = { [Kind in keyof Kinds]: { question: unknown; answer: unknown } };
export type Answerers<Kinds extends Exchange<Kinds>> = {
  readonly [Kind in keyof Kinds]: (question: Kinds[Kind]["question"]) => Promise<Kinds[Kind]["answer"]>;
};

/** The result of a question. */
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
/** The event that the adapter emits with each answer; its own acks come all together. */
export const ANSWERED = "answered";

/**
 * The other nodes, as far as Socket.IO's adapter reaches them; the adapter in memory reaches none. Nodes that Redis has lost
 * are not counted. Best effort: a node that fails to answer is silent. A node may have several instances, each with its own
 * kinds of questions.
 */
export class Peers<Kinds extends Exchange<Kinds>> {
  readonly #adapter: ReturnType<Server["of"]>["adapter"];
  readonly #answerers: Answerers<Kinds>;
  readonly #log: Logger;
  /** Questions that wait for answers. */
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
   * Queries all other nodes, and resolves with the answers within `limitMs`, or as soon as one is `enough`. Throws
   * `unavailable` if the number of nodes is unknown.
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
      // The adapter's own time limit is longer, and it withholds answers until all are there.
      const sent: unknown = this.#adapter.serverSideEmit([EVENT, asked, () => undefined]);
      Promise.resolve(sent).catch((error: unknown) => {
        reject(unavailable(error));
        finish();
      });
    });
  }

  /** A question that fails, or that only a newer version knows, is left to the caller's time limit. */
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

/** A node that did not answer may have the item. */
export function unanswered(may: string): HubError {
  return new HubError("unavailable", `A node that may ${may} does not answer. Try again.`, { retryAfterMs: 1_000 });
}

function unavailable(cause: unknown): HubError {
  return new HubError("unavailable", "The nodes can't reach each other now. Try again.", {
    cause,
    retryAfterMs: 1_000,
  });
}
