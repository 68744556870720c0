import type { Sql } from "postgres";
import { ulid } from "ulid";
import type { Logger } from "../log.ts";
import { type ConnectionOptions, connectTo } from "./postgres.ts";

/** What the audit trigger notifies, without a payload: Postgres then merges what one transaction says. */
const CHANNEL = "hub_audit";
/** How long a sign may take from its commit to here. */
const SIGN_MS = 1_000;

export interface AuditListenerOptions {
  /** A direct connection: behind a transaction pooler nobody can listen. */
  connection: ConnectionOptions;
  connectTimeoutMs: number;
  /** Something was committed, or may have been while nobody listened. */
  onWake(): void;
  /** Notifies as commits do: by a connection that is not the listener's own. */
  notify(channel: string, payload: string): Promise<unknown>;
  log: Logger;
}

/**
 * Listens on a connection of its own. Notifications only save time: whoever is woken polls too, the less the more often
 * `hears` says that nothing is missed, and calls `ensureListening` again and again, so that a lost connection is mended
 * as soon as the database is back.
 */
export class AuditListener {
  readonly #options: AuditListenerOptions;
  readonly #sql: Sql;
  #state: "off" | "starting" | "on" = "off";
  /** Sent, and not heard yet. */
  readonly #signs = new Map<string, () => void>();
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
      ...{ onnotify: (_channel: string, payload: string) => this.#heard(payload) },
    });
  }

  /** Begins to listen where nobody does. Returns at once: whether it listens already. */
  ensureListening(): boolean {
    if (!this.#closed && this.#state === "off") this.#begin();
    return this.#state === "on";
  }

  /**
   * Whether what is committed now is heard: that a connection is open says nothing behind a transaction pooler, or a
   * network that swallows. Resolves within a second and a statement's time; rejects where the database does.
   */
  async hears(): Promise<boolean> {
    const sign = ulid();
    let timer: NodeJS.Timeout | undefined;
    const heard = new Promise<boolean>((resolve) => {
      this.#signs.set(sign, () => resolve(true));
      timer = setTimeout(() => resolve(false), SIGN_MS).unref();
    });
    try {
      await this.#options.notify(CHANNEL, sign);
      return await heard;
    } finally {
      clearTimeout(timer);
      this.#signs.delete(sign);
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
        if (!this.#closed) this.#options.log.debug({ err: error }, "the database can't be listened to yet");
      });
  }

  /** Signs are other nodes' where they are not known here. */
  #heard(payload: string): void {
    if (payload === "") this.#options.onWake();
    else this.#signs.get(payload)?.();
  }

  #lost(): void {
    this.#state = "off";
  }
}
