import { durationMs } from "./durations.ts";
import { usageFailure } from "./failure.ts";

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
  const ago = durationMs(text);
  if (ago !== null) return nowMs - ago;
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
