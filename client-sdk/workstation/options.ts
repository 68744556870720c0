import type { ClientOptions } from "../connection/options.ts";
import { InvalidArgumentError } from "../kernel/errors.ts";
import type { ReportedAgent } from "../protocol/index.ts";
import type { TaskResult, WorkstationTask } from "./task.ts";

/** How long running tasks may take to end after `stop()` has aborted them. */
export const DEFAULT_SHUTDOWN_GRACE_MS = 10_000;
/** When a task that was neither started nor refused is started automatically. The hub takes it back after a minute. */
export const DEFAULT_AUTO_START_MS = 5_000;

// biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
type Returned = TaskResult | undefined | void;
/** An agent's work on a task. A returned result completes the task; a thrown error fails it. */
export type TaskHandler = (task: WorkstationTask) => Returned | Promise<Returned>;

/** The options of `createWorkstation()`, in addition to those of `createClient()`. Unknown keys are rejected. */
export interface WorkstationOptions extends Omit<ClientOptions, "offlineQueueLimit"> {
  /** This machine's agents, reported at every start. Agents missing from the list become `disabled` at the hub. */
  agents: readonly ReportedAgent[];
  /** Ids of the projects shown as active in its presence, in addition to those of running tasks. */
  projects?: readonly string[];
  /** Called once for each assignment. */
  onTask: TaskHandler;
  /**
   * Called for a task that an earlier run of this program had started and not ended, instead of failing it. The task is
   * already started. With this handler, `stop()` leaves tasks that don't end in time to the next run instead of failing
   * them.
   */
  onResume?: TaskHandler;
  /** The file for results that the hub has not acknowledged. Without it they are lost if the program ends first. */
  resultsFile?: string;
  /** Shown in the presence. Set `workstation.devServerPort` to change it. */
  devServerPort?: number | null;
  /** Milliseconds that `stop()` waits for running tasks after it has aborted them. The default is 10,000. */
  shutdownGraceMs?: number;
  /**
   * Milliseconds that `stop()` lets running tasks continue before it aborts them. The default is 0: it aborts
   * immediately.
   */
  drainMs?: number;
  /**
   * Milliseconds until a task that was neither started nor refused is started. The default is 5,000. A task does not
   * start on arrival, because the agent may still refuse it.
   */
  autoStartMs?: number;
  /**
   * Call `stop()` on SIGTERM and SIGINT. The default is true. The process then exits once nothing else keeps it
   * running.
   */
  handleSignals?: boolean;
  /** Call process.exit(0) after the workstation has stopped on a signal. The default is false. */
  exitOnSignal?: boolean;
}

/** The options of `stop()`. */
export interface StopOptions {
  /** Milliseconds that aborted tasks may take to end. The default is the option `shutdownGraceMs`. */
  graceMs?: number;
  /** Milliseconds that running tasks may continue before they are aborted. The default is the option `drainMs`. */
  drainMs?: number;
}

export interface ResolvedWorkstationOptions {
  client: ClientOptions;
  agents: readonly ReportedAgent[];
  projects: readonly string[];
  onTask: TaskHandler;
  onResume: TaskHandler | null;
  resultsFile: string | null;
  devServerPort: number | null;
  shutdownGraceMs: number;
  drainMs: number;
  autoStartMs: number;
  handleSignals: boolean;
  exitOnSignal: boolean;
}

const CLIENT_OPTIONS = [
  "url",
  "token",
  "client",
  "transports",
  "connectTimeoutMs",
  "requestTimeoutMs",
  "reconnectBaseDelayMs",
  "reconnectMaxDelayMs",
  "webSocketOptions",
  "random",
] as const satisfies readonly (keyof WorkstationOptions)[];
const OWN_OPTIONS = [
  "agents",
  "projects",
  "onTask",
  "onResume",
  "resultsFile",
  "devServerPort",
  "shutdownGraceMs",
  "drainMs",
  "autoStartMs",
  "handleSignals",
  "exitOnSignal",
] as const satisfies readonly (keyof WorkstationOptions)[];
const KNOWN_OPTIONS: ReadonlySet<string> = new Set<keyof WorkstationOptions>([...CLIENT_OPTIONS, ...OWN_OPTIONS]);
const MAX_PORT = 65_535;

/** Adds the defaults to the options. Throws InvalidArgumentError for unknown keys and invalid values. */
export function resolveWorkstationOptions(options: WorkstationOptions): ResolvedWorkstationOptions {
  refuseUnknown(options);
  return {
    client: clientOptions(options),
    agents: checkedAgents(options.agents),
    projects: checkedProjects(options.projects ?? []),
    onTask: checkedHandler("onTask", options.onTask),
    onResume: options.onResume === undefined ? null : checkedHandler("onResume", options.onResume),
    resultsFile: checkedFile(options.resultsFile),
    devServerPort: checkedPort(options.devServerPort ?? null),
    shutdownGraceMs: checkedMs("shutdownGraceMs", options.shutdownGraceMs ?? DEFAULT_SHUTDOWN_GRACE_MS),
    drainMs: checkedMs("drainMs", options.drainMs ?? 0),
    autoStartMs: checkedMs("autoStartMs", options.autoStartMs ?? DEFAULT_AUTO_START_MS),
    handleSignals: checkedFlag("handleSignals", options.handleSignals ?? true),
    exitOnSignal: checkedFlag("exitOnSignal", options.exitOnSignal ?? false),
  };
}

function refuseUnknown(options: WorkstationOptions): void {
  const unknown = Object.keys(options).filter((key) => !KNOWN_OPTIONS.has(key));
  if (unknown.length === 0) return;
  throw new InvalidArgumentError(`Unknown option ${unknown.join(", ")}. Known are ${[...KNOWN_OPTIONS].join(", ")}.`);
}

function clientOptions(options: WorkstationOptions): ClientOptions {
  const given = CLIENT_OPTIONS.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]);
  return Object.fromEntries(given) as ClientOptions;
}

export function checkedAgents(agents: unknown): readonly ReportedAgent[] {
  if (!Array.isArray(agents) || !agents.every(isAgent))
    throw new InvalidArgumentError('agents must be a list such as [{ type: "claude-code", name: "claude" }].');
  return agents;
}

function isAgent(agent: unknown): agent is ReportedAgent {
  const { type, name } = (agent ?? {}) as Partial<ReportedAgent>;
  return typeof type === "string" && typeof name === "string";
}

export function checkedProjects(projects: unknown): readonly string[] {
  if (Array.isArray(projects) && projects.every((id) => typeof id === "string")) return projects;
  throw new InvalidArgumentError("projects must be a list of project ids.");
}

export function checkedPort(port: unknown): number | null {
  const isPort = typeof port === "number" && Number.isInteger(port) && port > 0 && port <= MAX_PORT;
  if (port === null || isPort) return port as number | null;
  throw new InvalidArgumentError(`devServerPort must be a whole number from 1 to ${MAX_PORT}, or null for none.`);
}

function checkedHandler(name: string, handler: unknown): TaskHandler {
  if (typeof handler === "function") return handler as TaskHandler;
  throw new InvalidArgumentError(`${name} must be a function that takes a task.`);
}

function checkedFlag(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new InvalidArgumentError(`${name} must be true or false.`);
}

function checkedFile(file: unknown): string | null {
  if (file === undefined || (typeof file === "string" && file !== "")) return file ?? null;
  throw new InvalidArgumentError("resultsFile must be the path of a file.");
}

export function checkedMs(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`${name} must be a number of milliseconds, 0 or more.`);
}
