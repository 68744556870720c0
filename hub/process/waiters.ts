/** Callers that wait for one answer: calls while a request is in progress share its answer. */
export class Waiters<Answer> {
  readonly #limitMs: number;
  #waiting: ((answer: Answer | null) => void)[] = [];

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Requests by `send`, unless an answer is pending already. Null: there was none in time. */
  ask(send: () => void): Promise<Answer | null> {
    const first = this.#waiting.length === 0;
    const answered = new Promise<Answer | null>((resolve) => this.#waiting.push(resolve));
    if (!first) return answered;
    const limit = setTimeout(() => this.answer(null), this.#limitMs);
    send();
    return answered.finally(() => clearTimeout(limit));
  }

  answer(answer: Answer | null): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(answer);
  }
}
