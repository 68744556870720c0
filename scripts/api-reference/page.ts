import type { Export, ExportKind } from "./project.ts";

/** One file of the reference. */
export interface Page {
  file: string;
  title: string;
  /** What whoever opens it should know first, in Markdown. */
  introduction: string;
  exports: readonly Export[];
}

/** Where each documented name is explained, by file: the anchor of its heading. */
export type Places = ReadonlyMap<string, ReadonlyMap<string, string>>;

const SECTIONS: readonly [kind: ExportKind, title: string][] = [
  ["component", "Components"],
  ["hook", "Hooks"],
  ["function", "Functions"],
  ["class", "Classes"],
  ["error", "Errors"],
  ["type", "Types"],
  ["constant", "Constants"],
];
export const GENERATED = "<!-- Written by `npm run docs:api` from docstrings and helps: change those. -->";

interface Section {
  title: string;
  exports: Export[];
}

function sectionsOf({ exports }: Page): Section[] {
  const all = SECTIONS.map(([kind, title]) => ({ title, exports: exports.filter((one) => one.kind === kind) }));
  return all.filter((section) => section.exports.length > 0);
}

export function placesOf(pages: readonly Page[]): Places {
  const places = new Map<string, Map<string, string>>();
  for (const page of pages) {
    for (const [name, anchor] of anchorsOf(page)) {
      places.set(name, (places.get(name) ?? new Map<string, string>()).set(page.file, anchor));
    }
  }
  return places;
}

/** As GitHub makes them: one that is there already gets a number. */
function anchorsOf(page: Page): [name: string, anchor: string][] {
  const taken = new Map<string, number>();
  const anchorOf = (heading: string) => {
    const slug = heading.toLowerCase().replaceAll(/[@/]/g, "").replaceAll(" ", "-");
    const count = taken.get(slug) ?? 0;
    taken.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  };
  anchorOf(page.title);
  return sectionsOf(page).flatMap(({ title, exports }) => {
    anchorOf(title);
    return exports.map(({ name }): [string, string] => [name, anchorOf(name)]);
  });
}

export function pageText(page: Page, places: Places): string {
  const sections = sectionsOf(page).map(
    ({ title, exports }) => `## ${title}\n\n${exports.map((one) => exportText(one, page.file, places)).join("\n\n")}`,
  );
  return `${[GENERATED, `# ${page.title}`, page.introduction, ...sections].join("\n\n")}\n`;
}

function exportText({ name, doc, code }: Export, file: string, places: Places): string {
  const linked = namesIn(code, places)
    .filter((other) => other !== name)
    .map((other) => link(other, file, places));
  const see = linked.length > 0 ? `See ${linked.join(" · ")}` : "";
  return [`### ${name}`, doc, `\`\`\`ts\n${code}\n\`\`\``, see].filter((part) => part !== "").join("\n\n");
}

/** Documented names in a piece of TypeScript, leaving out what its comments and texts say, in the order of their appearance. */
export function namesIn(code: string, places: Places): string[] {
  const bare = code.replaceAll(/\/\*[\s\S]*?\*\/|"[^"]*"|`[^`]*`/g, "");
  const names = bare.match(/\b[A-Za-z_]\w*\b(?!\s*\??:)/g) ?? [];
  return [...new Set(names)].filter((name) => places.has(name));
}

/** A link to a name on the page `on`, or else on the first page that explains it. */
export function link(name: string, from: string, places: Places, on = from): string {
  const found = places.get(name);
  const [first] = found?.keys() ?? [];
  const file = found?.has(on) ? on : first;
  if (file === undefined) return `\`${name}\``;
  return `[\`${name}\`](${file === from ? "" : file}#${found?.get(file)})`;
}

/** The first sentence of a docstring, on one line. */
export function firstSentence(doc: string): string {
  const line = doc.replaceAll(/\s+/g, " ");
  return /^.*?[.:;](?= |$)/.exec(line)?.[0].replace(/[:;]$/, ".") ?? line;
}
