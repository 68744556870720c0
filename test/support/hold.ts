type Method = (...values: never[]) => Promise<unknown>;

/** Calls that wait for their release. */
export interface Held {
  /** The number of calls so far. */
  readonly waiting: number;
  /** Releases the waiting calls, and all later ones. */
  release(): void;
}

/** Makes every call of a real part's method wait until `release`, like a slow part. */
export function hold<Name extends PropertyKey>(part: Record<Name, Method>, name: Name): Held {
  const method = part[name].bind(part) as (...values: unknown[]) => Promise<unknown>;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let waiting = 0;
  part[name] = async (...values: unknown[]) => {
    waiting += 1;
    await released;
    return method(...values);
  };
  return {
    get waiting() {
      return waiting;
    },
    release: () => release(),
  };
}
