import type { IncomingMessage } from "node:http";
import { HubError } from "../kernel/errors.ts";

/** Methods that read, and change nothing. */
export const READS = ["GET", "HEAD"];

/** A call of an existing address with a method that it does not support: 405, and `Allow`. */
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

/** Throws if the request's method is none of these. */
export function allow({ method = "" }: IncomingMessage, methods: readonly string[]): void {
  if (!methods.includes(method)) throw new WrongMethod(methods);
}
