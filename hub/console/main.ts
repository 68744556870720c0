import { type Client, type ConnectionState, createClient, RealtimeError } from "@monster-realtime/client";
import { ProjectView } from "./project-view.ts";

const PAGE_LIMIT = 200;

function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Kind;
}

/** The token that the address carries behind `#`, which browsers send to nobody. */
function tokenOfAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

function tellProblem(message: string | null): void {
  const problem = element("problem");
  problem.hidden = message === null;
  problem.textContent = message;
}

function describe(state: ConnectionState): string {
  switch (state.name) {
    case "idle":
      return "not connected";
    case "connecting":
      return "connecting …";
    case "connected":
      return `connected as ${state.welcome.principal.kind} ${state.welcome.principal.id}`;
    case "waiting":
      return "connection lost, trying again …";
    case "closed":
      return "ended";
  }
}

function showState(state: ConnectionState): void {
  const status = element("connection");
  status.dataset.state = state.name;
  status.textContent = describe(state);
  if (state.name !== "closed") return;
  tellProblem(state.error ? state.error.message : null);
  element("sign-in").hidden = false;
}

async function showProjects(client: Client): Promise<void> {
  const { items } = await client.rpc("projects.list", { limit: PAGE_LIMIT });
  const active = items.filter(({ status }) => status === "active");
  tellProblem(active.length === 0 ? "There is no project yet. `npm run demo` makes one with six workstations." : null);
  const shown = new Set<string>();
  for (const project of active) {
    shown.add(project.id);
    if (views.has(project.id)) continue;
    const view = new ProjectView(client, project);
    views.set(project.id, view);
    element("projects").append(view.root);
  }
  for (const [id, view] of views) {
    if (shown.has(id)) continue;
    view.close();
    views.delete(id);
  }
}

const views = new Map<string, ProjectView>();
const PROJECTS_EVERY_MS = 5_000;

function watch(token: string): void {
  element("sign-in").hidden = true;
  tellProblem(null);
  for (const view of views.values()) view.close();
  views.clear();
  const client = createClient({ url: location.origin, token, client: "console/0.1" });
  const refresh = () => showProjects(client).catch(tellError);
  client.on("state", showState);
  client.on("error", tellError);
  client.on("welcome", refresh);
  const timer = setInterval(() => {
    if (client.state.name === "connected") void refresh();
    if (client.state.name === "closed") clearInterval(timer);
  }, PROJECTS_EVERY_MS);
  client.connect().catch(tellError);
}

function tellError(error: unknown): void {
  tellProblem(error instanceof RealtimeError ? error.message : String(error));
}

element<HTMLFormElement>("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  watch(element<HTMLInputElement>("token").value.trim());
});

const token = tokenOfAddress();
if (token) watch(token);
else element("sign-in").hidden = false;
