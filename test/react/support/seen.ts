/** The views that components showed, by name, and the functions that they offer. */
export class Seen {
  readonly #views = new Map<string, unknown[]>();
  readonly #callable = new Map<string, Record<string, (...args: never[]) => unknown>>();

  /** Records a view that differs from the previous one. */
  add(name: string, view: unknown): void {
    const views = this.of(name);
    this.#views.set(name, views);
    if (JSON.stringify(views.at(-1)) !== JSON.stringify(view)) views.push(view);
  }

  of(name: string): unknown[] {
    return this.#views.get(name) ?? [];
  }

  offer(name: string, methods: Record<string, (...args: never[]) => unknown>): void {
    this.#callable.set(name, methods);
  }

  call(name: string, method: string, args: readonly unknown[]): unknown {
    const called = this.#callable.get(name)?.[method];
    if (!called) throw new Error(`${name} offers no ${method}`);
    return called(...(args as never[]));
  }
}
