import { InvalidArgumentError } from "commander";
import { usageFailure } from "../kernel/failure.ts";

const SHOWN_UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** Formats a duration for people: `12s`, `3m`, `2h 5m`, `4d 1h`. */
export function ago(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [unit, length] of SHOWN_UNITS) {
    const amount = Math.floor(seconds / length);
    if (amount > 0 || parts.length > 0) parts.push(`${amount}${unit}`);
    seconds -= amount * length;
  }
  parts.push(`${seconds}s`);
  return parts
    .slice(0, 2)
    .filter((part, index) => index === 0 || !part.startsWith("0"))
    .join(" ");
}

/** Formats milliseconds for people. */
export const inMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;

const TYPED_UNITS: ReadonlyMap<string, number> = new Map([
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
  const factor = TYPED_UNITS.get(unit ?? "");
  return amount === undefined || factor === undefined ? null : Number(amount) * factor;
}

/** Parses a duration option. Throws for anything else. */
export function parseDuration(text: string): number {
  const ms = durationMs(text);
  if (ms !== null && ms > 0) return ms;
  throw new InvalidArgumentError("A duration is a number with its unit, such as 500ms, 10s or 5m.");
}

const two = (part: number): string => String(part).padStart(2, "0");

/** The local time of day: `14:05:12`. */
export function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
}

/** The local time of day with milliseconds. */
export function preciseTime(ms: number): string {
  return `${timeOfDay(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;
}

/** The local time of day, with the date if it is not the day of `nowMs`. */
export function timeSeenFrom(ms: number, nowMs: number): string {
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date(nowMs).toDateString();
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return isToday ? timeOfDay(ms) : `${day} ${timeOfDay(ms)}`;
}

const TIME_OF_DAY = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/;

/**
 * Parses `10m` (ago), `14:05` (its last local occurrence), or an ISO time, to milliseconds since 1970; null for
 * anything else.
 */
export function timeMs(text: string, nowMs: number): number | null {
  const agoMs = durationMs(text);
  if (agoMs !== null) return nowMs - agoMs;
  const [, hour, minute, second = "0"] = TIME_OF_DAY.exec(text) ?? [];
  if (hour !== undefined && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60) {
    return lastTimeOf(Number(hour), Number(minute), Number(second), nowMs);
  }
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(at) ? at : null;
}

/** Parses a time option. Throws for anything else. */
export function parseTime(text: string, nowMs: number): number {
  const at = timeMs(text, nowMs);
  if (at !== null) return at;
  throw usageFailure(`"${text}" is not a time. Give a time such as 14:05, 10m (ago) or 2026-01-31T12:00:00Z.`);
}

function lastTimeOf(hour: number, minute: number, second: number, nowMs: number): number {
  const date = new Date(nowMs);
  date.setHours(hour, minute, second, 0);
  if (date.getTime() > nowMs) date.setDate(date.getDate() - 1);
  return date.getTime();
}
