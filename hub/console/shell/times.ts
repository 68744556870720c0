import { useEffect, useState } from "react";

/** Formats a time; a day other than today includes the date. */
export function moment(at: number): string {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString()
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

const UNITS: readonly [milliseconds: number, name: string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** Formats the time since `at` in the largest unit that fits: `3 h`. */
export function ago(at: number, now: number): string {
  const past = Math.max(0, now - at);
  const [milliseconds, name] = UNITS.find(([size]) => past >= size) ?? [1_000, "s"];
  return `${Math.floor(past / milliseconds)} ${name}`;
}

/** The current time, updated as often as `ago` needs it. */
export function useNow(everyMs = 5_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
