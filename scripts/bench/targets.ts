import type { Target } from "./outcome.ts";

/** Targets, written as the table prints them. */
export const ratioAtLeast = (value: number): Target => ({
  of: "ratio",
  comparison: "atLeast",
  value,
  text: `≥ ${value} ×`,
});
export const ratioAtMost = (value: number): Target => ({
  of: "ratio",
  comparison: "atMost",
  value,
  text: `≤ ${value} ×`,
});
export const atMost = (value: number, unit: string): Target => ({
  of: "ours",
  comparison: "atMost",
  value,
  text: `≤ ${value.toLocaleString("en-US")} ${unit}`,
});
export const atLeast = (value: number, unit: string): Target => ({
  of: "ours",
  comparison: "atLeast",
  value,
  text: `≥ ${value.toLocaleString("en-US")} ${unit}`,
});
/** A figure that is shown beside another one, without a target. */
export const shownAlone: Target = { of: "ours", comparison: "atMost", value: Number.POSITIVE_INFINITY, text: "–" };
export const below = (value: number, unit: string): Target => ({
  of: "ours",
  comparison: "below",
  value,
  text: `< ${value.toLocaleString("en-US")} ${unit}`,
});
