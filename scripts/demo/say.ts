const WHO_WIDTH = 10;

/** One line for one event: when, who, what. */
export function say(who: string, what: string): void {
  console.log(`${new Date().toLocaleTimeString()}  ${who.padEnd(WHO_WIDTH)} ${what}`);
}

/** A failure of `who` that ends nothing. */
export function tell(who: string): (error: unknown) => void {
  return (error) => say(who, error instanceof Error ? error.message : String(error));
}
