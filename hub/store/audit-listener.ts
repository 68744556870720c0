import type { Sql } from "postgres";
import { ulid } from "ulid";
import type { Logger } from "../kernel/log.ts";
import { type ConnectionOptions, connectTo } from "./database.ts";

/** The channel that the audit trigger notifies. It sends no payload, so that Postgres merges the notifications of a transaction. */
const CHANNEL = "hub_audit";
/** How long a probe's notification may take from its commit to the listener. */
const PROBE_MS = 1_000;

export interface AuditListenerOptions {
  /** A direct connection: LISTEN does not work behind a transaction pooler. */
  connection: ConnectionOptions;
  connectTimeoutMs: number;
  /** A transaction committed, or may have while the listener was not connected. */
  onWake(): void;
  /** Notifies as commits do, on a connection other than the listener's. */
  notify(channel: string, payload: string): Promise<unknown>;
  log: Logger;
}

/**
 * Listens on its own connection. Notifications only save time: its user polls as well, less often while `isReceiving`
 * confirms that none is lost. The user calls `ensureListening` repeatedly, so that a lost connection is restored as soon as
 * the database is available again.
 */
export class AuditListener {
  readonly #options: AuditListenerOptions;
  readonly #sql: Sql;
  #state: "off" | "starting" | "on" = "off";
  /** Probes that were sent and not received yet. */
  readonly #probes = new Map<string, () => void>();
  #closed = false;

  constructor(options: AuditListenerOptions) {
    this.#options = options;
    this.#sql = connectTo(options.connection, {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: options.connectTimeoutMs / 1000,
      onclose: () => this.#lost(),
      // Not in the driver's types: its own `listen` does not report when it gives up.
      ...{ onnotify: (_channel: string, payload: string) => this.#onNotify(payload) },
    });
  }

  /** Starts to listen if it does not. Returns without waiting: whether it listens already. */
  ensureListening(): boolean {
    if (!this.#closed && this.#state === "off") this.#begin();
    return this.#state === "on";
  }

  /**
   * Whether a notification sent now arrives. An open connection proves nothing behind a transaction pooler, or a network
   * that drops data. Resolves within a second and a statement's time; rejects if the notifying statement does.
   */
  async isReceiving(): Promise<boolean> {
    const probe = ulid();
    let timer: NodeJS.Timeout | undefined;
    const received = new Promise<boolean>((resolve) => {
      this.#probes.set(probe, () => resolve(true));
      timer = setTimeout(() => resolve(false), PROBE_MS).unref();
    });
    try {
      await this.#options.notify(CHANNEL, probe);
      return await received;
    } finally {
      clearTimeout(timer);
      this.#probes.delete(probe);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#sql.end({ timeout: 1 });
  }

  #begin(): void {
    this.#state = "starting";
    this.#sql
      .unsafe(`LISTEN ${CHANNEL}`)
      .then(() => {
        this.#state = "on";
        this.#options.onWake();
      })
      .catch((error: unknown) => {
        this.#state = "off";
        if (!this.#closed) this.#options.log.debug({ err: error }, "LISTEN failed; tried again later");
      });
  }

  /** A payload that is not in the map is another node's probe. */
  #onNotify(payload: string): void {
    if (payload === "") this.#options.onWake();
    else this.#probes.get(payload)?.();
  }

  #lost(): void {
    this.#state = "off";
  }
}
