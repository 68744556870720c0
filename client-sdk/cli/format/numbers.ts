import { InvalidArgumentError } from "commander";

/** Formats a rate per second for people. Small rates keep decimals, so that they differ from 0. */
export const rateText = (rate: number): string => (rate === 0 ? "0" : rate < 10 ? rate.toFixed(2) : rate.toFixed(0));

/** Parses a whole number of at least 1 for an option. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Must be a whole number of at least 1.");
}
