import type { Sql } from "postgres";
import type { Logger } from "../log.ts";
import { type ConnectionOptions, connectTo } from "./postgres.ts";

/** What the audit trigger notifies, without a payload: Postgres then merges what one transaction says. */
const CHANNEL = "hub_audit";

export interface AuditListenerOptions {
  /** A direct connection: behind a transaction pooler nobody can listen. */
  connection: ConnectionOptions;
  connectTimeoutMs: number;
  /** Something was committed, or may have been while nobody listened. */
  onWake(): void;
  log: Logger;
}

/**
 * Listens on a connection of its own. Notifications only save time: whoever is woken polls too, and calls
 * `ensureListening` with every poll, so that a lost connection is mended as soon as the database is back.
 */
export class AuditListener {
  readonly #options: AuditListenerOptions;
  readonly #sql: Sql;
  #state: "off" | "starting" | "on" = "off";
  #closed = false;

  constructor(options: AuditListenerOptions) {
    this.#options = options;
    this.#sql = connectTo(options.connection, {
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: options.connectTimeoutMs / 1000,
      onclose: () => this.#lost(),
      // Below the driver's types: its own `listen` does not tell when it gave up.
      ...{ onnotify: () => options.onWake() },
    });
  }

  /** Begins to listen where nobody does. Returns at once. */
  ensureListening(): void {
    if (this.#closed || this.#state !== "off") return;
    this.#state = "starting";
    this.#sql
      .unsafe(`LISTEN ${CHANNEL}`)
      .then(() => {
        this.#state = "on";
        this.#options.onWake();
      })
      .catch((error: unknown) => {
        this.#state = "off";
        if (!this.#closed) this.#options.log.debug({ err: error }, "the database can't be listened to yet");
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#sql.end({ timeout: 1 });
  }

  #lost(): void {
    this.#state = "off";
  }
}
