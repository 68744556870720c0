import { type Command, Option } from "commander";
import { parseCount } from "../format/numbers.ts";
import { parseDuration } from "../format/times.ts";
import { usageFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import type { Crew, Ground, Recruit } from "../simulate/crew.ts";
import type { Machine, MachineOptions } from "../simulate/machine.ts";
import { confirm } from "../terminal/confirm.ts";
import type { Output } from "../terminal/output.ts";

/** A larger number needs confirmation. */
const MANY = 500;
const MANY_ELSEWHERE = 20;
/** The removal is sequential, at the rate limit of one connection: hundreds take this long. */
const LEAVE_MS = 60_000;
const DEFAULT_CHANGE_MS = 20_000;
const DEFAULT_FLAP_MS = 10_000;

interface SimulateOptions {
  project?: string;
  rate: number;
  change: number;
  work?: true;
  /** True if no duration was given. */
  flap?: number | true;
  for?: number;
  keep?: boolean;
  yes?: boolean;
}

/** `simulate`: runs workstations for load tests and demos. */
export const simulateCommand: CliCommand<SimulateOptions> = {
  name: "simulate",
  summary: "register and run simulated workstations, for load tests and demos",
  description:
    "Needs a token that may register workstations: an admin's or a service's. The workstations are removed at the end.\n" +
    "With --work they take real tasks and complete them without doing anything: choose the project carefully.",
  examples: [
    "simulate 20",
    "simulate 500 --rate 50 --flap 5s",
    "simulate 6 --work --project proj_01ARZ3NDEKTSV4RRFFQ69G5FAV",
  ],
  leaveMs: LEAVE_MS,
  define(command: Command) {
    command
      .argument("<count>", "the number of workstations")
      .option("--project <id>", "the project they are attached to (default: the first active one)")
      .option("--rate <count>", "connects per second", parseCount, 20)
      .addOption(
        new Option("--change <duration>", "the average time between changes of one workstation")
          .argParser(parseDuration)
          .default(DEFAULT_CHANGE_MS, "20s"),
      )
      .option("--work", "take tasks like agents")
      .option("--flap [duration]", "crash one per interval (10s); it reconnects later", parseDuration)
      .option("--for <duration>", "stop after this time", parseDuration)
      .option("--keep", "do not remove the workstations at the end")
      .option("-y, --yes", "do not ask for confirmation");
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
  throw usageFailure(`"${text}" is not a number of workstations. Give a whole number such as 20.`);
}

async function confirmMany(count: number, url: string, { yes = false }: SimulateOptions, signal: AbortSignal) {
  const isHere = /^(?:localhost|127\.|\[::1\])/.test(new URL(url).hostname);
  if (count <= (isHere ? MANY : MANY_ELSEWHERE)) return;
  await confirm({ question: `Register ${count} workstations at ${url}?`, yes, signal });
}

/** Always removes the registered workstations. A failure of the body takes precedence over a failure of the removal. */
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
      `${machines.length === 1 ? "1 workstation is" : `${machines.length} workstations are`} online in ${ground.projectId}. Press Ctrl-C to stop.`,
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
