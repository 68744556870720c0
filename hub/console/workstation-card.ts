import type { Member, Workstation } from "@monster-realtime/client";

type Status = "online" | "busy" | "suspect" | "offline";

const LABELS: Record<Status, string> = {
  online: "online",
  busy: "busy",
  suspect: "unreachable",
  offline: "offline",
};

/** One workstation as a card. */
export class WorkstationCard {
  readonly root = document.createElement("li");
  status: Status = "offline";
  readonly #title = document.createElement("h3");
  readonly #status = document.createElement("p");
  readonly #agents = document.createElement("p");
  readonly #work = document.createElement("p");
  readonly #since = document.createElement("p");

  constructor(id: string) {
    this.root.className = "workstation";
    this.#title.textContent = id;
    this.#status.className = "status";
    this.root.append(this.#title, this.#status, this.#agents, this.#work, this.#since);
    this.root.addEventListener("animationend", () => this.root.classList.remove("changed"));
    this.#set("offline");
  }

  name({ name, hostname, lastSeenAt }: Workstation): void {
    this.#title.textContent = name;
    this.root.title = hostname ?? name;
    if (this.status === "offline" && lastSeenAt) this.#since.textContent = `last seen ${time(Date.parse(lastSeenAt))}`;
  }

  show({ meta, state, updatedAt }: Member): void {
    const { status, availableAgents, currentTaskCount, devServerPort } = meta as Record<string, unknown>;
    this.#set(state === "suspect" ? "suspect" : asStatus(status));
    const agents = Array.isArray(availableAgents) ? availableAgents.map(String) : [];
    this.#agents.textContent = agents.length > 0 ? agents.join(", ") : "no agents";
    const tasks = Number(currentTaskCount ?? 0);
    const port = typeof devServerPort === "number" ? ` · dev :${devServerPort}` : "";
    this.#work.textContent = `${tasks === 1 ? "1 task" : `${tasks} tasks`} running${port}`;
    this.#since.textContent = `since ${time(updatedAt)}`;
  }

  leave(): void {
    this.#set("offline");
    this.#work.textContent = "";
    this.#since.textContent = `since ${time(Date.now())}`;
  }

  #set(status: Status): void {
    if (this.root.dataset.status === status) return;
    this.status = status;
    this.root.dataset.status = status;
    this.#status.textContent = LABELS[status];
    this.root.classList.add("changed");
  }
}

function asStatus(status: unknown): Status {
  return status === "busy" || status === "offline" ? status : "online";
}

function time(at: number): string {
  return new Date(at).toLocaleTimeString();
}
