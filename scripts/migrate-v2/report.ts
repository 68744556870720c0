/** How many ids are told of each finding. */
const EXAMPLES = 5;

interface Finding {
  count: number;
  examples: string[];
}

/** What was not simply copied, and what could not be. */
export class Report {
  readonly migrated = new Map<string, number>();
  readonly #changed = new Map<string, Finding>();
  readonly #left = new Map<string, Finding>();

  /** True where rows stayed behind. */
  get incomplete(): boolean {
    return this.#left.size > 0;
  }

  add(kind: string, rows: number): void {
    this.migrated.set(kind, (this.migrated.get(kind) ?? 0) + rows);
  }

  /** A row that is there now, but not to the letter. */
  changed(what: string, id: string): void {
    note(this.#changed, what, id);
  }

  /** A row that stayed behind. */
  left(what: string, id: string): void {
    note(this.#left, what, id);
  }

  lines(): string[] {
    return [
      ...[...this.migrated].map(([kind, count]) => `${count.toLocaleString("en")} ${kind} migrated`),
      ...[...this.#changed].map(([what, finding]) => `changed: ${what}: ${told(finding)}`),
      ...[...this.#left].map(([what, finding]) => `left behind: ${what}: ${told(finding)}`),
    ];
  }
}

function note(findings: Map<string, Finding>, what: string, id: string): void {
  const finding = findings.get(what) ?? { count: 0, examples: [] };
  finding.count += 1;
  if (finding.examples.length < EXAMPLES) finding.examples.push(id);
  findings.set(what, finding);
}

function told({ count, examples }: Finding): string {
  const more = count > examples.length ? ", …" : "";
  return `${count.toLocaleString("en")} (${examples.join(", ")}${more})`;
}
