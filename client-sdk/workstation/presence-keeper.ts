import type { Client } from "../client.ts";
import { asRealtimeError, type RealtimeError } from "../errors.ts";
import type { ChannelPresence } from "../presence.ts";
import type { WorkstationChannel, WorkstationPresenceMeta } from "../protocol/index.ts";

export interface PresenceKeeperParts {
  client: Client;
  /** What is true at this moment. */
  meta(): WorkstationPresenceMeta;
  failed(error: RealtimeError): void;
}

/** Keeps what the hub shows of a workstation true: of many changes at once it tells the last, and nothing twice. */
export class PresenceKeeper {
  readonly #parts: PresenceKeeperParts;
  #presence: ChannelPresence<WorkstationChannel> | null = null;
  #told = "";
  #isDue = false;

  constructor(parts: PresenceKeeperParts) {
    this.#parts = parts;
  }

  /** Resolves when the hub shows it; the client joins again by itself after reconnects. */
  async join(channel: WorkstationChannel): Promise<void> {
    this.#presence = this.#parts.client.presence(channel);
    const meta = this.#parts.meta();
    this.#told = JSON.stringify(meta);
    await this.#presence.join(meta);
  }

  /** Something may have changed. */
  show(): void {
    if (!this.#presence || this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#update();
    });
  }

  async leave(): Promise<void> {
    const presence = this.#presence;
    this.#presence = null;
    await presence?.leave();
  }

  #update(): void {
    if (!this.#presence?.meta) return;
    const meta = this.#parts.meta();
    const text = JSON.stringify(meta);
    if (text === this.#told) return;
    this.#told = text;
    this.#presence.update(meta).catch((thrown: unknown) => {
      // Who says goodbye has nothing more to show.
      if (!this.#presence) return;
      this.#told = "";
      this.#parts.failed(asRealtimeError(thrown));
    });
  }
}
