const WHO_WIDTH = 10;

/** One line per event: time, source, text. */
export function say(who: string, what: string): void {
  console.log(`${new Date().toLocaleTimeString()}  ${who.padEnd(WHO_WIDTH)} ${what}`);
}

/** Logs a failure of `who` that ends nothing. */
export function logFailure(who: string): (error: unknown) => void {
  return (error) => say(who, error instanceof Error ? error.message : String(error));
}
