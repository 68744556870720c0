import type { IncomingHttpHeaders } from "node:http";
import type { ErrorObject } from "@monster-realtime/client/protocol";
import type { Logger } from "../kernel/log.ts";
import { addressNetwork, clientAddress } from "./client-address.ts";

/** The burst of failures of a network, in seconds' worth. */
const BURST_SECONDS = 10;
/** The number of networks kept. Beyond them, the one whose first failure is oldest is dropped. */
const MAX_NETWORKS = 10_000;

/** A client can also cause failures that look temporary: expired tokens, unknown keys and tokens. */
const TEMPORARY_WEIGHT = 0.1;

interface Remaining {
  /** How many failures the network has left, as of `at`. */
  failures: number;
  at: number;
}

export interface FailedHandshakesOptions {
  perSecond: number;
  trustProxy: number;
  log: Logger;
}

/**
 * Counts connections and calls that end without a principal, by network: handshakes, and HTTP calls with a wrong token. A
 * network that fails too often is rejected for a while, before its next attempt costs anything. Admitted clients do not
 * count, so thousands may reconnect at once from one address. `now`: milliseconds of a monotonic clock.
 */
export class FailedHandshakes {
  readonly #options: FailedHandshakesOptions;
  readonly #remaining = new Map<string, Remaining>();
  #warned = false;

  constructor(options: FailedHandshakesOptions) {
    this.#options = options;
  }

  /** The network of a request: `direct` is the address of its connection. */
  networkOf(direct: string | undefined, headers: IncomingHttpHeaders): string {
    const { trustProxy } = this.#options;
    if (trustProxy === 0 && headers["x-forwarded-for"] !== undefined) this.#warn();
    return addressNetwork(clientAddress(direct ?? "", headers, trustProxy));
  }

  /** For how many milliseconds this network is rejected; 0: it is not. */
  refusedForMs(network: string, now: number): number {
    const left = this.#left(network, now);
    return left >= 1 ? 0 : Math.ceil(((1 - left) * 1_000) / this.#options.perSecond);
  }

  /** Counts a failure. One that may be the hub's own, such as a token that can't be checked now, weighs less. */
  failed(network: string, now: number, { code, temporary }: Pick<ErrorObject, "code" | "temporary">): void {
    // A draining hub rejects every client.
    if (code === "draining") return;
    const failures = Math.max(0, this.#left(network, now) - (temporary ? TEMPORARY_WEIGHT : 1));
    this.#remaining.set(network, { failures, at: now });
    const oldest = this.#remaining.keys().next();
    if (this.#remaining.size > MAX_NETWORKS && !oldest.done) this.#remaining.delete(oldest.value);
  }

  #left(network: string, now: number): number {
    const { perSecond } = this.#options;
    const known = this.#remaining.get(network);
    if (!known) return perSecond * BURST_SECONDS;
    const left = known.failures + ((now - known.at) * perSecond) / 1_000;
    if (left < perSecond * BURST_SECONDS) return left;
    this.#remaining.delete(network);
    return perSecond * BURST_SECONDS;
  }

  #warn(): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.log.warn(
      "A request came through a proxy, but TRUST_PROXY is 0: limits of an address then count all clients of that proxy as one. Set TRUST_PROXY to the number of proxies in front of the hub.",
    );
  }
}
