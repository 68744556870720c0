import { inParallel } from "./crowd.ts";
import { EngineClient } from "./engine-client.ts";
import type { Workstation } from "./join-load.ts";
import { workstationMeta } from "./presence-meta.ts";

const CONNECTING_AT_ONCE = 50;

/** Workstations with two subscriptions and presence that are idle afterwards. */
export class IdleLoad {
  readonly #localAddress: string;
  readonly #clients: EngineClient[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  /** Connects further workstations; earlier ones stay. */
  async connect(options: { url: string; workstations: readonly Workstation[]; projectChannel: string }): Promise<void> {
    const { url, workstations, projectChannel } = options;
    const clients = await inParallel(workstations, CONNECTING_AT_ONCE, async ({ id, token }) => {
      const client = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
      const channel = `workstation:${id}`;
      await client.call("subscribe", { channel });
      await client.call("subscribe", { channel: projectChannel });
      await client.call("presence.join", { channel, meta: workstationMeta(0) });
      return client;
    });
    this.#clients.push(...clients);
  }
}
