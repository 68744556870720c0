/** The decoded arguments of an event frame `42["event",…]`: the event's name and what follows. */
export function decodeEvent(frame: Buffer): [event: string, ...args: unknown[]] {
  return JSON.parse(frame.toString("utf8", frame.indexOf("[")));
}

/** The payloads that a frame delivers: the hub's `publications` hold many, the peer's `publication` one. */
export function payloadsOf<Payload = string>(frame: Buffer): Payload[] {
  const [event, , delivered] = decodeEvent(frame);
  if (event === "publications") return (delivered as { payload: Payload }[]).map(({ payload }) => payload);
  return event === "publication" ? [delivered as Payload] : [];
}

const DIGITS = 10;

/** A payload of `bytes` characters that begins with its number, so that order and completeness can be proven. */
export const numberedPayload = (index: number, bytes: number): string =>
  String(index).padStart(DIGITS, "0").padEnd(bytes, "x");

/** The number that a payload of `numberedPayload` begins with. */
export const numberOf = (payload: string): number => Number(payload.slice(0, DIGITS));
