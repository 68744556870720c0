import type { Subscription } from "../channels/subscription.ts";
import type { Publication } from "../protocol/index.ts";

/** The filter of the publications that a component shows. */
export type PublicationFilter = string | readonly string[] | ((publication: Publication) => boolean) | null;

export interface SelectionOptions {
  /** Called for each publication, so that a component may pass a new function at each render. */
  filter: () => PublicationFilter;
  /** The number of newest publications to keep. */
  limit: number;
  /** The number of publications to load from the channel's history. 0: only new ones. */
  history: number;
}

/** The newest publications of one channel that a component shows, oldest first. */
export class Selection {
  /** The same array until its content changes. */
  items: readonly Publication[] = [];
  readonly #options: SelectionOptions;
  #asked: Subscription | null = null;
  #earlier: readonly Publication[] = [];

  constructor(options: SelectionOptions) {
    this.#options = options;
  }

  /** Loads the history of this subscription once. Calls `changed` when it has loaded. */
  follow(subscription: Subscription, changed: () => void): void {
    const { history } = this.#options;
    if (history === 0 || this.#asked === subscription) return;
    this.#asked = subscription;
    subscription
      .ready()
      .then(() => subscription.history({ limit: history, reverse: true }))
      .then(({ publications }) => {
        if (this.#asked !== subscription) return;
        this.#earlier = [...publications].reverse();
        changed();
      })
      // An error that prevents reading the history also ends or delays the subscription, which reports it.
      .catch(() => undefined);
  }

  /** Adds received publications and those loaded from the history. */
  take(arrived: readonly Publication[]): void {
    const { limit } = this.#options;
    // slice(-0) would return all of them.
    if (limit === 0) return;
    const wanted = arrived.filter((publication) => this.#wants(publication));
    const earlier = this.#takeEarlier();
    if (wanted.length === 0 && earlier.length === 0) return;
    const known = new Set(earlier.map(({ id }) => id));
    const live = [...this.items, ...wanted].filter(({ id }) => !known.has(id));
    this.items = [...earlier, ...live].slice(-limit);
  }

  #takeEarlier(): readonly Publication[] {
    const earlier = this.#earlier.filter((publication) => this.#wants(publication));
    this.#earlier = [];
    return earlier;
  }

  #wants(publication: Publication): boolean {
    const filter = this.#options.filter();
    if (filter === null) return true;
    if (typeof filter === "function") return filter(publication);
    return typeof filter === "string" ? filter === publication.type : filter.includes(publication.type);
  }
}
