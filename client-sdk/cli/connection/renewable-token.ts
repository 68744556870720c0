import { RealtimeError } from "../../kernel/errors.ts";
import type { HubAddress } from "./context.ts";

/**
 * An address's token, resolved again before every connect: a token renewed in its context is used without a restart.
 */
export class RenewableToken {
  readonly #address: HubAddress;
  readonly #resolve: () => Promise<HubAddress>;
  #token: string;
  #isFirst = true;
  /** The last token that the hub called expired. */
  #expired: string | null = null;

  constructor(address: HubAddress, resolve: () => Promise<HubAddress>) {
    this.#address = address;
    this.#token = address.token;
    this.#resolve = resolve;
  }

  /** Returns the newest token. Rejects permanently if the hub called it expired and there is no other. */
  async read(): Promise<string> {
    if (!this.#isFirst) this.#token = await this.#newest();
    this.#isFirst = false;
    if (this.#token !== this.#expired) return this.#token;
    throw new RealtimeError("The token has expired.", { code: "token_expired", temporary: false });
  }

  /** Called when the hub rejects the last token as expired. A `pat_` may be sent again: the hub checks it again. */
  expired(): void {
    if (!this.isPersonal) this.#expired = this.#token;
  }

  /** Whether the token is a `pat_`: on a warning, the hub only checks it again. */
  get isPersonal(): boolean {
    return this.#token.startsWith("pat_");
  }

  warning(expiresInMs: number): string {
    return `The token expires in ${Math.round(expiresInMs / 1000)} s. ${this.#remedy()}`;
  }

  /** Resolves the address again. If its context was changed or removed, the current token stays in use. */
  async #newest(): Promise<string> {
    const found = await this.#resolve().catch(() => this.#address);
    return found.url === this.#address.url ? found.token : this.#token;
  }

  #remedy(): string {
    const { context } = this.#address;
    if (context === null) return "Restart with a new token.";
    return `Pipe a new one into \`monster-realtime context add ${context} --token-stdin\`.`;
  }
}
