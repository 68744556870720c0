type EventMap = Record<string, unknown[]>;
type Handler<Arguments extends unknown[]> = (...args: Arguments) => unknown;

/**
 * Typed events whose handlers can't break the SDK. If a handler throws or rejects, the error goes to `onFailure` and
 * the other handlers still run.
 */
export class Emitter<Events extends EventMap> {
  readonly #handlers = new Map<keyof Events, Set<{ call: (...args: never[]) => unknown }>>();
  readonly #onFailure: (thrown: unknown, name: keyof Events) => void;

  constructor(onFailure: (thrown: unknown, name: keyof Events) => void) {
    this.#onFailure = onFailure;
  }

  /** Calls `handler` at every event `name` until the returned function is called. */
  on<Name extends keyof Events>(name: Name, handler: Handler<Events[Name]>): () => void {
    const entry = { call: handler };
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(entry));
    return () => void handlers.delete(entry);
  }

  /** Calls every handler that is registered now. Returns false if there is none. */
  emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): boolean {
    const handlers = [...(this.#handlers.get(name) ?? [])];
    for (const { call } of handlers) this.#call(name, call as Handler<Events[Name]>, args);
    return handlers.length > 0;
  }

  #call<Arguments extends unknown[]>(name: keyof Events, handler: Handler<Arguments>, args: Arguments): void {
    try {
      const result = handler(...args);
      if (result instanceof Promise) result.catch((thrown) => this.#onFailure(thrown, name));
    } catch (thrown) {
      this.#onFailure(thrown, name);
    }
  }
}
