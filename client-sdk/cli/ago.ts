const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** Formats a duration for people: `12s`, `3m`, `2h 5m`, `4d 1h`. */
export function ago(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [unit, length] of UNITS) {
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
