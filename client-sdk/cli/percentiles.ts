/** The distribution of values. */
export interface Spread {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Nearest-rank percentiles, to three decimals; null for no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
  const rounded = (share: number): number => Math.round(at(share) * 1000) / 1000;
  return { count: sorted.length, p50: rounded(0.5), p95: rounded(0.95), p99: rounded(0.99), max: rounded(1) };
}
