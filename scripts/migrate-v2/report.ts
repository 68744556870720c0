/** Number of example ids per finding. */
const EXAMPLES = 5;

interface Finding {
  count: number;
  examples: string[];
}

/** Rows that were changed, and rows that could not be migrated. */
export class Report {
  readonly migrated = new Map<string, number>();
  readonly #changed = new Map<string, Finding>();
  readonly #left = new Map<string, Finding>();

  /** True if rows stayed behind. */
  get incomplete(): boolean {
    return this.#left.size > 0;
  }

  add(kind: string, rows: number): void {
    this.migrated.set(kind, (this.migrated.get(kind) ?? 0) + rows);
  }

  /** A row that was migrated with a change. */
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
      ...[...this.#changed].map(([what, finding]) => `changed: ${what}: ${formatted(finding)}`),
      ...[...this.#left].map(([what, finding]) => `left behind: ${what}: ${formatted(finding)}`),
    ];
  }
}

function note(findings: Map<string, Finding>, what: string, id: string): void {
  const finding = findings.get(what) ?? { count: 0, examples: [] };
  finding.count += 1;
  if (finding.examples.length < EXAMPLES) finding.examples.push(id);
  findings.set(what, finding);
}

function formatted({ count, examples }: Finding): string {
  const more = count > examples.length ? ", …" : "";
  return `${count.toLocaleString("en")} (${examples.join(", ")}${more})`;
}
