// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Escapes control characters: foreign text may contain escape sequences for the terminal. */
export function harmless(text: string): string {
  return text.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Formats JSON in one line, safe to print. `undefined` becomes null. */
export function oneLine(value: unknown): string {
  return harmless(JSON.stringify(value) ?? "null");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const COLOR_OR_CHARACTER = /\u001b\[[\d;]*m|./gsu;
/** Characters of two cells: East Asian ones and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Cuts a line to `cells` of the terminal. Open colors are reset at the cut. */
export function cutTo(line: string, cells: number): string {
  let [taken, cut] = [0, ""];
  for (const [part] of line.matchAll(COLOR_OR_CHARACTER)) {
    const isColor = part.startsWith("\u001b");
    const width = isColor ? 0 : WIDE.test(part) ? 2 : 1;
    if (taken + width > cells) return cut.includes("\u001b") ? `${cut}\u001b[0m` : cut;
    taken += width;
    cut += part;
  }
  return cut;
}

/** Returns the names most similar to `typed`, best first; none if nothing is similar. */
export function nearest(typed: string, names: readonly string[], limit = 3): string[] {
  const wanted = typed.toLowerCase();
  const scored = names.map((name) => ({ name, distance: distanceBetween(wanted, name.toLowerCase()) }));
  const likely = scored.filter(({ name, distance }) => distance <= Math.max(2, name.length * 0.35));
  return likely
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ name }) => name);
}

/** The number of characters to change, add or remove (Levenshtein). */
function distanceBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
