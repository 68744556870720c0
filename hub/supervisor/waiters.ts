/** Those who wait for one answer: whoever asks while it is under way gets the same. */
export class Waiters<Answer> {
  readonly #limitMs: number;
  #waiting: ((answer: Answer | null) => void)[] = [];

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Asks by `send`, unless an answer is awaited already. Null: there was none in time. */
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
