import type picocolors from "picocolors";

/** Functions that color text, or return it unchanged. */
export type Colors = ReturnType<typeof picocolors.createColors>;

/** NO_COLOR and FORCE_COLOR as specified at no-color.org and force-color.org. */
export function wantsColor(isTerminal: boolean | undefined): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR) return FORCE_COLOR !== "0";
  return isTerminal === true && TERM !== "dumb";
}
