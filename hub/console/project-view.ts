import {
  type Client,
  type Member,
  type Project,
  projectWorkstationsChannel,
  type Workstation,
} from "@monster-realtime/client";
import { BoardView } from "./board-view.ts";
import { WorkstationCard } from "./workstation-card.ts";

const PAGE_LIMIT = 200;

/** One project: every attached workstation, live ones by presence, the others by their rows; below them its tasks. */
export class ProjectView {
  readonly root = document.createElement("section");
  readonly #client: Client;
  readonly #project: Project;
  readonly #counts = document.createElement("p");
  readonly #list = document.createElement("ul");
  readonly #board: BoardView;
  readonly #cards = new Map<string, WorkstationCard>();
  readonly #close: () => void;

  constructor(client: Client, project: Project) {
    this.#client = client;
    this.#project = project;
    this.#board = new BoardView(client, project.id);
    this.#lay();
    const subscription = client.subscribe(projectWorkstationsChannel(project.id), { presence: true });
    const roster = subscription.presence;
    if (!roster) throw new Error("a subscription with presence has a roster");
    const show = (member: Member) => this.#show(member);
    roster.on("sync", () => this.#synced(roster.members as readonly Member[]));
    roster.on("join", (member) => show(member as Member));
    roster.on("update", (member) => show(member as Member));
    roster.on("leave", ({ key }) => this.#gone(key));
    this.#close = () => subscription.unsubscribe();
  }

  close(): void {
    this.#close();
    this.#board.close();
    this.root.remove();
  }

  #lay(): void {
    this.root.className = "project";
    this.root.setAttribute("aria-label", this.#project.name);
    const head = document.createElement("div");
    const title = document.createElement("h2");
    title.textContent = this.#project.name;
    this.#counts.className = "counts";
    this.#list.className = "workstations";
    head.append(title, this.#counts);
    this.root.append(head, this.#list, this.#board.root);
  }

  #synced(members: readonly Member[]): void {
    for (const member of members) this.#show(member);
    void this.#nameThem().catch((error: unknown) => {
      this.#counts.textContent = error instanceof Error ? error.message : String(error);
    });
    this.#count();
  }

  /** Names, and those that are offline, come from the rows. */
  async #nameThem(): Promise<void> {
    const attached = await this.#client.rpc("projectWorkstations.list", {
      projectId: this.#project.id,
      limit: PAGE_LIMIT,
    });
    const ids = new Set(attached.items.map(({ workstationId }) => workstationId));
    const rows = await this.#client.rpc("workstations.list", {
      organizationId: this.#project.organizationId,
      limit: PAGE_LIMIT,
    });
    for (const row of rows.items) if (ids.has(row.id)) this.#card(row.id).name(row);
    this.#count();
  }

  #show(member: Member): void {
    const id = member.key.slice("workstation:".length);
    const isNew = !this.#cards.has(id);
    this.#card(id).show(member);
    if (isNew) void this.#nameOne(id);
    this.#count();
  }

  async #nameOne(id: string): Promise<void> {
    const row: Workstation = await this.#client.rpc("workstations.get", { id });
    this.#card(id).name(row);
  }

  #gone(key: string): void {
    this.#cards.get(key.slice("workstation:".length))?.leave();
    this.#count();
  }

  #card(id: string): WorkstationCard {
    const known = this.#cards.get(id);
    if (known) return known;
    const card = new WorkstationCard(id);
    this.#cards.set(id, card);
    this.#list.append(card.root);
    return card;
  }

  #count(): void {
    const cards = [...this.#cards.values()];
    const of = (status: string) => cards.filter((card) => card.status === status).length;
    const parts = [`${of("online")} online`, `${of("busy")} busy`, `${of("offline")} offline`];
    if (of("suspect") > 0) parts.splice(2, 0, `${of("suspect")} unreachable`);
    this.#counts.textContent = parts.join(" · ");
  }
}
