import { InvalidArgumentError } from "commander";

const UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Parses `500ms`, `10s`, `5m`, `2h`, `1d` to milliseconds; null for anything else. */
export function durationMs(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  const factor = UNITS.get(unit ?? "");
  return amount === undefined || factor === undefined ? null : Number(amount) * factor;
}

/** Parses a duration option. Throws for anything else. */
export function parseDuration(text: string): number {
  const ms = durationMs(text);
  if (ms !== null && ms > 0) return ms;
  throw new InvalidArgumentError("A duration is a number with its unit, such as 500ms, 10s or 5m.");
}

/** Parses a whole number of at least 1 for an option. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Must be a whole number of at least 1.");
}
