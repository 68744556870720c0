import { inParallel } from "./crowd.ts";
import { EngineClient } from "./engine-client.ts";
import type { Workstation } from "./join-load.ts";
import { pace } from "./pace.ts";
import { workstationMeta } from "./presence-meta.ts";

export interface UpdateResult {
  acknowledged: number;
  /** From the first update until the last ack. */
  durationMs: number;
  /** The final `count` in each workstation's meta, in the order of the workstations. */
  finalCounts: number[];
}

const CONNECTING_AT_ONCE = 100;

/** Workstations that are present and change their presence at a steady rate, in turn. */
export class UpdateLoad {
  readonly #localAddress: string;
  #clients: EngineClient[] = [];
  #channels: string[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  async connect({ url, workstations }: { url: string; workstations: readonly Workstation[] }): Promise<void> {
    this.#channels = workstations.map(({ id }) => `workstation:${id}`);
    this.#clients = await inParallel(workstations, CONNECTING_AT_ONCE, async ({ id, token }) => {
      const client = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
      await client.call("presence.join", { channel: `workstation:${id}`, meta: workstationMeta(0) });
      return client;
    });
  }

  /** A refused or unanswered update counts as not acknowledged. */
  async run({ perSecond, durationMs }: { perSecond: number; durationMs: number }): Promise<UpdateResult> {
    const total = Math.round((perSecond * durationMs) / 1_000);
    const finalCounts = this.#clients.map(() => 0);
    const acks: Promise<unknown>[] = [];
    const begun = performance.now();
    await pace(total, durationMs, (index) => {
      const turn = index % this.#clients.length;
      finalCounts[turn] = index + 1;
      acks.push(this.#update(turn, index + 1));
    });
    const settled = await Promise.allSettled(acks);
    const acknowledged = settled.filter(({ status }) => status === "fulfilled").length;
    return { acknowledged, durationMs: performance.now() - begun, finalCounts };
  }

  async #update(turn: number, count: number): Promise<unknown> {
    const request = { channel: this.#channels[turn], meta: workstationMeta(count) };
    return this.#clients[turn]?.call("presence.update", request);
  }
}
