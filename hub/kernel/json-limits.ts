/** How deeply JSON from outside may be nested; the outermost value is level 1. */
export const MAX_DEPTH = 32;
/** How many keys all objects of one JSON text may have together. */
export const MAX_KEYS = 1024;
/** How many values all arrays and objects of one JSON text may have together: the most that fit into a publication. */
export const MAX_VALUES = 32_768;

/** Shorter texts are parsed faster than they are scanned. */
const SCANNED_FROM = 4_096;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;

/**
 * Why this JSON text is too costly to parse, or null. One pass over the text, without recursion, in linear time:
 * `JSON.parse` and validation of deep or wide values take far longer. It does not check whether the text is JSON.
 * `envelope`: the number of levels around the limited value.
 */
export function jsonTooComplex(text: string, envelope = 0): string | null {
  if (text.length < SCANNED_FROM) return null;
  let [depth, keys, values] = [0, 0, 0];
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth += 1;
        if (depth > MAX_DEPTH + envelope) return `is nested deeper than ${MAX_DEPTH}`;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth -= 1;
        break;
      case COLON:
        keys += 1;
        if (keys > MAX_KEYS) return `has more than ${MAX_KEYS} keys`;
        break;
      case COMMA:
        values += 1;
        if (values > MAX_VALUES) return `has more than ${MAX_VALUES} values`;
        break;
    }
  }
  return null;
}

/**
 * The index of the quote that ends the string beginning at `start`; the text's length if there is none. The engine's own
 * search finds quotes many characters at a time; a quote after an odd number of backslashes is escaped.
 */
function endOfString(text: string, start: number): number {
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length;
    let backslash = quote - 1;
    while (backslash >= from && text.charCodeAt(backslash) === BACKSLASH) backslash -= 1;
    if ((quote - backslash) % 2 === 1) return quote;
    from = quote + 1;
  }
}
