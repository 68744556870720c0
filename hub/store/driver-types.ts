import type { PostgresType } from "postgres";
import { ForeignTime, shownTimestamp, timeOf } from "../kernel/timestamps.ts";

type Element = string | null | Element[];

const ARRAY_SYNTAX = /[{}",\\\s]/;

/** The oids of Postgres' own array types never change. Arrays of other types are cast: `$1::text[]::task_list[]`. */
const OIDS = { name: 1003, int4: 1007, text: 1009, varchar: 1015, int8: 1016, float8: 1022, oid: 1028 } as const;
type ElementType = keyof typeof OIDS;
/** It never changes either. */
const TIMESTAMPTZ_OID = 1184;

/** Element types that are parsed to numbers; all others are text. */
const NUMBERS: ReadonlySet<ElementType> = new Set(["int4", "float8", "oid"]);

/**
 * How the driver reads and writes arrays. By default the driver queries the array types on each new connection. If that
 * connection is lost at that moment, the driver leaves an unhandled rejection.
 */
export const ARRAY_TYPES: Readonly<Record<string, PostgresType>> = Object.fromEntries(
  (Object.keys(OIDS) as ElementType[]).map((type) => [`${type}Array`, arrayOf(type)]),
);

/** How the driver reads and writes timestamps: as `Date`, or as `ForeignTime` beyond JavaScript's range. */
export const TIMESTAMP_TYPE: PostgresType = {
  to: TIMESTAMPTZ_OID,
  from: [TIMESTAMPTZ_OID],
  parse: (text: string): Date => timeOf(text) ?? new ForeignTime(text),
  serialize: (value: unknown): string => (value instanceof Date ? value.toISOString() : shownTimestamp(String(value))),
};

function arrayOf(type: ElementType): PostgresType {
  const oid = OIDS[type];
  const parse = NUMBERS.has(type) ? Number : String;
  return {
    to: oid,
    from: [oid],
    // A caller may pass an array literal.
    serialize: (value: unknown) => (Array.isArray(value) ? arrayLiteral(value) : value),
    parse: (text: string) => parseArray(text, parse),
  };
}

/** Formats a Postgres array literal; nested arrays are its further dimensions. */
export function arrayLiteral(values: readonly unknown[]): string {
  const parts = values.map((value) => {
    if (value === null || value === undefined) return "NULL";
    return Array.isArray(value) ? arrayLiteral(value) : `"${String(value).replaceAll(/["\\]/g, "\\$&")}"`;
  });
  return `{${parts.join(",")}}`;
}

/** Parses a Postgres array literal. Throws if the text is none. */
export function parseArray(text: string, parse: (text: string) => unknown = String): unknown[] {
  // Bounds that do not begin with 1 precede the array.
  const reader = new Reader(text, text.indexOf("{"));
  return reader.array().map(function parsed(element: Element): unknown {
    if (element === null) return null;
    return Array.isArray(element) ? element.map(parsed) : parse(element);
  });
}

class Reader {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  array(): Element[] {
    const elements: Element[] = [];
    this.#expect("{");
    if (this.#takes("}")) return elements;
    do elements.push(this.#element());
    while (this.#takes(","));
    this.#expect("}");
    return elements;
  }

  #element(): Element {
    const next = this.#text[this.#at];
    if (next === "{") return this.array();
    if (next === '"') return this.#quoted();
    const start = this.#at;
    while (this.#at < this.#text.length && !ARRAY_SYNTAX.test(this.#text.charAt(this.#at))) this.#at += 1;
    const text = this.#text.slice(start, this.#at);
    return text.toUpperCase() === "NULL" ? null : text;
  }

  #quoted(): string {
    let text = "";
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text[this.#at];
      if (character === '"') break;
      if (character === "\\") this.#at += 1;
      text += this.#text[this.#at] ?? "";
    }
    this.#expect('"');
    return text;
  }

  #takes(character: string): boolean {
    const isNext = this.#text[this.#at] === character;
    if (isNext) this.#at += 1;
    return isNext;
  }

  #expect(character: string): void {
    if (!this.#takes(character)) throw new Error(`Postgres sent an array without ${character} at ${this.#at}`);
  }
}
