import type { IncomingMessage } from "node:http";
import { HubError } from "../errors.ts";

/** What reads, and changes nothing. */
export const READS = ["GET", "HEAD"];

/** A call of an address that is there, with a method that it does not take: 405, and `Allow`. */
export class WrongMethod extends HubError {
  /** For the header `Allow`. */
  readonly allowed: string;

  constructor(methods: readonly string[]) {
    const allowed = methods.join(", ");
    const message = `must be ${methods.join(" or ")} here`;
    super("bad_request", `method: ${message}`, { details: [{ path: "method", message }] });
    this.allowed = allowed;
  }
}

/** Throws where the request's method is none of these. */
export function allow({ method = "" }: IncomingMessage, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new WrongMethod(methods);
}
