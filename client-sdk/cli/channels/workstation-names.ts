import type { Client } from "../../index.ts";
import { type Channel, parseChannel } from "../../protocol/channel.ts";
import { collect, type PageQuery } from "../rpc/pages.ts";

const KEY = /^workstation:(ws_.+)$/;

/** The names of a channel's workstations; empty if the caller may not read them. */
export class WorkstationNames {
  readonly #client: Client;
  readonly #names = new Map<string, string>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** The name for a member's key; empty until it is known. */
  of(key: string): string {
    return this.#names.get(key) ?? "";
  }

  /** Loads the names of all workstations of a project in pages, because a roster may be long. */
  async loadAll(channel: Channel): Promise<void> {
    const parsed = parseChannel(channel);
    if (parsed?.kind === "workstation") await this.load(`workstation:${parsed.id}`);
    if (parsed?.kind === "projectWorkstations") await this.#loadProject(parsed.id).catch(() => undefined);
  }

  /** Loads the name of one workstation that joined later. */
  async load(key: string): Promise<void> {
    const [, id] = KEY.exec(key) ?? [];
    if (!id || this.#names.has(key)) return;
    const { name } = await this.#client.rpc("workstations.get", { id }).catch(() => ({ name: "" }));
    this.#names.set(key, name);
  }

  async #loadProject(projectId: string): Promise<void> {
    const ask = (query: PageQuery) => this.#client.rpc("workstations.list", { projectId, ...query });
    const { items } = await collect(ask, Number.POSITIVE_INFINITY);
    for (const { id, name } of items) this.#names.set(`workstation:${id}`, name);
  }
}
