import { type Command, Option } from "commander";
import { confirm } from "../confirm.ts";
import { parseCount, parseDuration } from "../durations.ts";
import { usageFailure } from "../failure.ts";
import type { Output } from "../output.ts";
import type { Crew, Ground, Recruit } from "../simulate/crew.ts";
import type { Machine, MachineOptions } from "../simulate/machine.ts";
import type { CliCommand, Invocation } from "./command.ts";

/** More than this, somebody should want. */
const MANY = 500;
const MANY_ELSEWHERE = 20;
/** Hundreds are removed one by one, as fast as the hub lets one connection. */
const LEAVE_MS = 60_000;
const DEFAULT_CHANGE_MS = 20_000;
const DEFAULT_FLAP_MS = 10_000;

interface SimulateOptions {
  project?: string;
  rate: number;
  change: number;
  work?: true;
  /** True where no duration was given. */
  flap?: number | true;
  for?: number;
  keep?: boolean;
  yes?: boolean;
}

/** `simulate`: workstations for load and demos. */
export const simulateCommand: CliCommand<SimulateOptions> = {
  name: "simulate",
  summary: "register workstations, connect them, and let them live, for load and demos",
  description:
    "Needs a token that may register workstations: an admin's or a service's. What was registered is removed at the end.\n" +
    "With --work they take tasks, do nothing for a while, and say that it is done: mind which project that is.",
  examples: [
    "simulate 20",
    "simulate 500 --rate 50 --flap 5s",
    "simulate 6 --work --project proj_01ARZ3NDEKTSV4RRFFQ69G5FAV",
  ],
  leaveMs: LEAVE_MS,
  define(command: Command) {
    command
      .argument("<count>", "how many")
      .option("--project <id>", "which they are attached to; else the first active one")
      .option("--rate <count>", "connects a second", parseCount, 20)
      .addOption(
        new Option("--change <duration>", "how long each stays as it is, on average")
          .argParser(parseDuration)
          .default(DEFAULT_CHANGE_MS, "20s"),
      )
      .option("--work", "take tasks, as agents do")
      .option("--flap [duration]", "crash one this often (10s), to come back after a while", parseDuration)
      .option("--for <duration>", "end by itself", parseDuration)
      .option("--keep", "leave them registered")
      .option("-y, --yes", "without asking");
  },
  async run(invocation) {
    const { args, options, output, signal, connect } = invocation;
    const count = countOf(args[0] ?? "");
    const { url } = await invocation.address();
    await confirmMany(count, url, options, signal);
    const admin = await connect();
    const { Crew: Crowd, groundFor } = await import("../simulate/crew.ts");
    const ground = await groundFor(admin, options.project);
    const crew = new Crowd(admin, ground, output);
    await withRemoval(crew, options.keep ?? false, output, async () => {
      const recruits = await crew.recruit(count, signal);
      await simulate(recruits, { url, ground }, invocation);
    });
  },
};

function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw usageFailure(`"${text}" is no number of workstations. Give one such as 20.`);
}

async function confirmMany(count: number, url: string, { yes = false }: SimulateOptions, signal: AbortSignal) {
  const isHere = /^(?:localhost|127\.|\[::1\])/.test(new URL(url).hostname);
  if (count <= (isHere ? MANY : MANY_ELSEWHERE)) return;
  await confirm({ question: `Register ${count} workstations at ${url}?`, yes, signal });
}

/** Removes what was registered, whatever happened; a failure of the body comes before one of the removal. */
async function withRemoval(crew: Crew, keep: boolean, output: Output, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!keep) await crew.remove().catch((failure: Error) => output.warn(failure.message));
    throw error;
  }
  if (!keep) await crew.remove();
}

async function simulate(
  recruits: readonly Recruit[],
  { url, ground }: { url: string; ground: Ground },
  { options, output, signal }: Invocation<SimulateOptions>,
): Promise<void> {
  const { Simulation } = await import("../simulate/simulation.ts");
  const machineOf = await builderOf(options.work ?? false);
  const parts: MachineOptions = {
    url,
    projectId: ground.projectId,
    changeEveryMs: options.change,
    chance: Math.random,
    onChange: () => simulation.changed(),
  };
  const machines = recruits.map((recruit) => machineOf(recruit, parts));
  const flapEveryMs = options.flap === true ? DEFAULT_FLAP_MS : (options.flap ?? null);
  const life = { ratePerSecond: options.rate, flapEveryMs, forMs: options.for ?? null, signal, output };
  const simulation = new Simulation(machines, life);
  try {
    await simulation.open();
    output.say(
      `${machines.length === 1 ? "1 workstation is" : `${machines.length} workstations are`} online in ${ground.projectId}. Ctrl-C ends.`,
    );
    await simulation.live();
  } finally {
    await simulation.close();
  }
}

async function builderOf(work: boolean): Promise<(recruit: Recruit, options: MachineOptions) => Machine> {
  if (work) {
    const { WorkingMachine } = await import("../simulate/working-machine.ts");
    return (recruit, options) => new WorkingMachine(recruit, options);
  }
  const { IdleMachine } = await import("../simulate/machine.ts");
  return (recruit, options) => new IdleMachine(recruit, options);
}
