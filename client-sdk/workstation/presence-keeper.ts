import type { ChannelPresence } from "../channels/presence.ts";
import type { Client } from "../client/client.ts";
import { asRealtimeError, type RealtimeError } from "../kernel/errors.ts";
import type { WorkstationChannel, WorkstationPresenceMeta } from "../protocol/index.ts";

export interface PresenceKeeperParts {
  client: Client;
  /** Returns the current meta. */
  meta(): WorkstationPresenceMeta;
  failed(error: RealtimeError): void;
}

/** Keeps a workstation's presence current. It sends only the last of several changes in one turn, and no meta twice. */
export class PresenceKeeper {
  readonly #parts: PresenceKeeperParts;
  #presence: ChannelPresence<WorkstationChannel> | null = null;
  #sent = "";
  #isDue = false;

  constructor(parts: PresenceKeeperParts) {
    this.#parts = parts;
  }

  /** Resolves when the hub has stored the presence. The client joins again by itself after reconnects. */
  async join(channel: WorkstationChannel): Promise<void> {
    this.#presence = this.#parts.client.presence(channel);
    const meta = this.#parts.meta();
    this.#sent = JSON.stringify(meta);
    await this.#presence.join(meta);
  }

  /** Schedules an update: the meta may have changed. */
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
    if (text === this.#sent) return;
    this.#sent = text;
    this.#presence.update(meta).catch((thrown: unknown) => {
      // After leave() the failure does not matter.
      if (!this.#presence) return;
      this.#sent = "";
      this.#parts.failed(asRealtimeError(thrown));
    });
  }
}
