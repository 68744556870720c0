/** A slug has 100 characters at most; this leaves room for `-` and a number. */
const MAX_BASE = 90;

/** A name as a slug: lower-case ASCII letters, digits and single hyphens; `fallback` if nothing remains. */
export function slugOf(name: string, fallback: string): string {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const slug = plain.replace(/[^a-z0-9]+/g, "-").slice(0, MAX_BASE);
  return slug.replace(/^-+|-+$/g, "") || fallback;
}

/** Returns unique slugs: `name`, `name-2`, `name-3`, … */
export class Slugs {
  readonly #taken: Set<string>;
  /** The last number tried of each base. */
  readonly #tried = new Map<string, number>();

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  add(slug: string): void {
    this.#taken.add(slug);
  }

  take(base: string): string {
    let number = this.#tried.get(base) ?? 1;
    let slug = base;
    while (this.#taken.has(slug)) {
      number += 1;
      slug = `${base}-${number}`;
    }
    this.#tried.set(base, number);
    this.#taken.add(slug);
    return slug;
  }
}
