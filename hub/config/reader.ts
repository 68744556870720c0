import { NUMBERS, type NumberName, type Numbers, TEXTS, type TextName } from "./settings.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A fault of one variable, and its remedy. */
export interface ConfigFault {
  variable: string;
  problem: string;
  remedy: string;
}

/** The environment is invalid. The message has a line for each fault. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(({ variable, problem, remedy }) => `  ${variable}: ${problem}. ${remedy}.`);
    super(`The configuration is wrong:\n${lines.join("\n")}`);
    this.name = "ConfigError";
    this.faults = faults;
  }
}

/** Reads variables and collects their faults, so that one error reports all of them. */
export class ConfigReader {
  readonly faults: ConfigFault[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  fault(variable: string, problem: string, remedy: string): void {
    this.faults.push({ variable, problem, remedy });
  }

  /** The value, or undefined if the variable is not set. An empty value is a fault: it could mean "unset" or "none". */
  text(name: TextName | NumberName): string | undefined {
    const value = this.#env[name];
    if (value === undefined) return undefined;
    if (value.trim() !== "") return value.trim();
    this.fault(name, "is set but empty", "Give it a value or unset it");
    return undefined;
  }

  /** The parts of a comma-separated list; empty if the variable is not set. */
  list(name: TextName): string[] {
    const value = this.text(name);
    if (value === undefined) return [];
    const parts = value.split(",").map((part) => part.trim());
    if (parts.includes("")) this.fault(name, "has an empty part", "Separate the parts by single commas");
    return parts.filter((part) => part !== "");
  }

  numbers(): Numbers {
    const names = Object.keys(NUMBERS) as NumberName[];
    return Object.fromEntries(names.map((name) => [name, this.#number(name)])) as Numbers;
  }

  /** Reports unknown variables that resemble the hub's: a misspelt limit would silently have no effect. */
  checkNames(): void {
    for (const [name, value] of Object.entries(this.#env)) {
      if (value !== undefined && !KNOWN.has(name)) this.#checkSpelling(name);
    }
  }

  #number(name: NumberName): number {
    const { value: fallback, min, max, unit } = NUMBERS[name];
    const text = this.text(name);
    if (text === undefined) return fallback;
    const remedy = `Set a whole number of ${min} to ${max} (${unit}); without it, it is ${fallback}`;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) this.fault(name, `${quoted(text)} is not a whole number`, remedy);
    else if (value < min) this.fault(name, `${value} is too small`, remedy);
    else if (value > max) this.fault(name, `${value} is too large`, remedy);
    else return value;
    return fallback;
  }

  #checkSpelling(name: string): void {
    if (name.length < MIN_TYPO_LENGTH || KUBERNETES.test(name)) return;
    const [nearest = "", distance] = nearestTo(name);
    const meant = `Did you mean ${nearest}? docs/configuration.md lists all variables`;
    if (distance <= MAX_TYPO_DISTANCE) this.fault(name, "is no variable of the hub", meant);
    else if (PREFIXES.some((prefix) => name.startsWith(prefix))) this.fault(name, "is no variable of the hub", meant);
  }
}

/** A value in the form for a message: short, and on one line. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > MAX_QUOTED ? `${value.slice(0, MAX_QUOTED)}…` : value);
}

const MAX_QUOTED = 60;
const NAMES: readonly string[] = [...TEXTS, ...Object.keys(NUMBERS)];
const KNOWN = new Set([...NAMES, "NODE_ENV"]);
/** Prefixes that only the hub uses. Node's own variables begin with NODE_, so NODE_LEASE_MS has its whole prefix here. */
const PREFIXES = [
  "PRESENCE_",
  "HISTORY_",
  "PROJECT_HISTORY_",
  "RIGHTS_",
  "MONSTER_AUTH_",
  "WRITE_BACK_",
  "RECONCILE_",
  "NODE_LEASE_",
];
/** Variables that Kubernetes sets for a service whose name equals one of the hub's prefixes. */
const KUBERNETES = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_TCP|_\d+_UDP|$)/;
const MAX_TYPO_DISTANCE = 2;
/** HOME is two letters from HOST. */
const MIN_TYPO_LENGTH = 7;

function nearestTo(name: string): [string, number] {
  let nearest: [string, number] = ["", Number.POSITIVE_INFINITY];
  for (const known of NAMES) {
    const distance = editDistance(name, known);
    if (distance < nearest[1]) nearest = [known, distance];
  }
  return nearest;
}

/** The Levenshtein distance: how many letters must be inserted, removed or changed. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...left].entries()) {
    const next = [index + 1];
    for (const [column, other] of [...right].entries()) {
      const changed = (row[column] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
