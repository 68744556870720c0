import { type Client, createClient, type ReportedAgent, type TaskCreate } from "../../../client-sdk/index.ts";
import { createWorkstation, type Workstation, type WorkstationOptions } from "../../../client-sdk/workstation/index.ts";
import { type CuttingProxy, startCuttingProxy } from "../../client-sdk/support/cutting-proxy.ts";
import { type HubOptions, type TestHub, withHub } from "../../support/hub.ts";
import { until } from "../../support/until.ts";

export const AGENT: ReportedAgent = { type: "claude-code", name: "claude", maxConcurrencyLimit: 3 };

/** A hub, an owner who assigns tasks, and workstations behind a network that breaks on demand. */
export interface Scene {
  hub: TestHub;
  owner: Client;
  proxy: CuttingProxy;
  /** Creates a workstation for the hub's row; not started, and stopped at the end. */
  make(options?: Partial<WorkstationOptions>): Workstation;
  /** Assigns a task to the workstation's agent; returns its session id. */
  assign(task?: Partial<TaskCreate>): Promise<string>;
  sessionIs(id: string, status: string): Promise<void>;
}

export function withScene(body: (scene: Scene) => Promise<void>, options: HubOptions = {}): Promise<void> {
  return withHub(options, async (hub) => {
    const proxy = await startCuttingProxy(hub.url);
    const owner = createClient({ url: hub.url, token: hub.userToken });
    const made: Workstation[] = [];
    try {
      await owner.connect();
      await body({ ...sceneOf(hub, owner), proxy, make: (more) => remember(made, makeWorkstation(hub, proxy, more)) });
    } finally {
      await Promise.all(made.map((workstation) => workstation.stop({ graceMs: 0 })));
      await owner.close();
      await proxy.close();
    }
  });
}

function makeWorkstation(hub: TestHub, proxy: CuttingProxy, more: Partial<WorkstationOptions> = {}): Workstation {
  return createWorkstation({
    url: proxy.url,
    token: hub.workstation.token,
    agents: [AGENT],
    onTask: () => undefined,
    handleSignals: false,
    reconnectBaseDelayMs: 20,
    reconnectMaxDelayMs: 100,
    ...more,
  });
}

function remember<Item>(all: Item[], item: Item): Item {
  all.push(item);
  return item;
}

function sceneOf(hub: TestHub, owner: Client): Pick<Scene, "hub" | "owner" | "assign" | "sessionIs"> {
  const { projectId } = hub;
  return {
    hub,
    owner,
    async assign(task = {}) {
      const { id } = await owner.rpc("tasks.create", { projectId, title: "Do it", mode: "execute", ...task });
      await owner.rpc("tasks.setReady", { id, ready: true });
      return (await owner.rpc("tasks.assign", { id })).id;
    },
    async sessionIs(id, status) {
      const isSo = async () => (await owner.rpc("agentSessions.get", { id })).status === status;
      await until(`session ${id} is ${status}`, isSo, 10_000);
    },
  };
}

/** A promise that a test resolves. */
export interface Gate<Value = void> {
  open(value: Value): void;
  readonly opened: Promise<Value>;
}

export function gate<Value = void>(): Gate<Value> {
  let open: (value: Value) => void = () => undefined;
  const opened = new Promise<Value>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
