import { RealtimeError } from "../errors.ts";
import type { HubAddress } from "./context.ts";

/** The token of an address, looked up before every connect: one that was renewed in its context is taken without a restart. */
export class RenewableToken {
  readonly #address: HubAddress;
  readonly #lookUp: () => Promise<HubAddress>;
  #token: string;
  #isFirst = true;
  /** The last one that the hub called expired. */
  #expired: string | null = null;

  constructor(address: HubAddress, lookUp: () => Promise<HubAddress>) {
    this.#address = address;
    this.#token = address.token;
    this.#lookUp = lookUp;
  }

  /** Rejects for good where the hub has called the token expired and there is no other. */
  async read(): Promise<string> {
    if (!this.#isFirst) this.#token = await this.#newest();
    this.#isFirst = false;
    if (this.#token !== this.#expired) return this.#token;
    throw new RealtimeError("The token has expired.", { code: "token_expired", temporary: false });
  }

  /** The hub does not take the one that it was given last. A `pat_` it takes again, unless it was revoked. */
  expired(): void {
    if (!this.isPersonal) this.#expired = this.#token;
  }

  /** Whether the hub merely looks at the token again when it warns. */
  get isPersonal(): boolean {
    return this.#token.startsWith("pat_");
  }

  warning(expiresInMs: number): string {
    return `The token runs out in ${Math.round(expiresInMs / 1000)} s. ${this.#remedy()}`;
  }

  /** A context that is changed or gone does not take the token from those who have it. */
  async #newest(): Promise<string> {
    const found = await this.#lookUp().catch(() => this.#address);
    return found.url === this.#address.url ? found.token : this.#token;
  }

  #remedy(): string {
    const { context } = this.#address;
    if (context === null) return "Start again with a new one.";
    return `Pipe a new one into \`monster-realtime context add ${context} --token-stdin\`.`;
  }
}
