import { EngineClient } from "./engine-client.ts";
import { pace } from "./pace.ts";
import { workstationMeta } from "./presence-meta.ts";

export interface Workstation {
  id: string;
  token: string;
}

export interface JoinResult {
  /** Milliseconds since 1970: comparable between processes of one machine. */
  firstAt: number;
  lastAckAt: number;
}

/** Workstations that connect at an even rate and join the presence of their own channel. */
export class JoinLoad {
  readonly #localAddress: string;
  readonly #clients: EngineClient[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  /** Resolves when the last join is acknowledged; rejects when one was refused or a connection lost. */
  async run(options: {
    urls: readonly string[];
    workstations: readonly Workstation[];
    durationMs: number;
  }): Promise<JoinResult> {
    const { urls, workstations, durationMs } = options;
    const joins: Promise<void>[] = [];
    const firstAt = Date.now();
    await pace(workstations.length, durationMs, (index) => {
      const workstation = workstations[index];
      if (workstation) joins.push(this.#join(urls[index % urls.length] ?? "", workstation));
    });
    await Promise.all(joins);
    return { firstAt, lastAckAt: Date.now() };
  }

  async #join(url: string, { id, token }: Workstation): Promise<void> {
    const client = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
    this.#clients.push(client);
    await client.call("presence.join", { channel: `workstation:${id}`, meta: workstationMeta(0) });
  }
}
