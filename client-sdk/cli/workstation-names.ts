import type { Client } from "../index.ts";
import { type Channel, parseChannel } from "../protocol/channel.ts";
import { collect, type PageQuery } from "./pages.ts";

const KEY = /^workstation:(ws_.+)$/;

/** What the workstations of a channel are called; nothing where the caller may not read them. */
export class WorkstationNames {
  readonly #client: Client;
  readonly #names = new Map<string, string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** By a member's key; empty until it is known. */
  of(key: string): string {
    return this.#names.get(key) ?? "";
  }

  /** All of a project's at once: a roster may be long. */
  async learnAll(channel: Channel): Promise<void> {
    const parsed = parseChannel(channel);
    if (parsed?.kind === "workstation") await this.learn(`workstation:${parsed.id}`);
    if (parsed?.kind === "projectWorkstations") await this.#learnProject(parsed.id).catch(() => undefined);
  }

  /** One that came later. */
  async learn(key: string): Promise<void> {
    const [, id] = KEY.exec(key) ?? [];
    if (!id || this.#names.has(key)) return;
    const { name } = await this.#client.rpc("workstations.get", { id }).catch(() => ({ name: "" }));
    this.#names.set(key, name);
  }

  async #learnProject(projectId: string): Promise<void> {
    const ask = (query: PageQuery) => this.#client.rpc("workstations.list", { projectId, ...query });
    const { items } = await collect(ask, Number.POSITIVE_INFINITY);
    for (const { id, name } of items) this.#names.set(`workstation:${id}`, name);
  }
}
