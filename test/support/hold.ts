type Method = (...values: never[]) => Promise<unknown>;

/** Calls that wait to be let go. */
export interface Held {
  /** How many have come. */
  readonly waiting: number;
  /** Lets go those that wait, and whoever comes later. */
  release(): void;
}

/** Lets every call of a real part's method wait until `release`, as a part that is slow would. */
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
