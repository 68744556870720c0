import { setTimeout as pause } from "node:timers/promises";
import { type Command, Option } from "commander";
import type { Client } from "../../index.ts";
import { RealtimeError } from "../../kernel/errors.ts";
import { parseDuration } from "../format/times.ts";
import { untilAborted } from "../kernel/abort-signals.ts";
import { usageFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { FullScreen, type Key } from "../terminal/full-screen.ts";
import { channelRoom, drawFrame } from "../top/frame.ts";
import { type Reading, Readings } from "../top/reading.ts";
import { FIRST_VIEW, press, type View } from "../top/view.ts";

const DEFAULT_EVERY_MS = 2_000;
const PIPE_COLUMNS = 120;
/** Limits requests to a fifth of the time: slow readings are taken less often. */
const REST_FACTOR = 4;

interface TopOptions {
  once?: true;
  every: number;
}

/** `top`: shows a hub's activity live. */
export const topCommand: CliCommand<TopOptions> = {
  name: "top",
  summary: "watch a hub's activity: connections, channels by rate, workstations, nodes",
  description:
    "For admins and services. Keys: q quits, s sorts, / filters, arrows move.\n" +
    "With --json, one reading per line. Rates are of channels with subscribers.",
  examples: ["top", "top --once", "top --json | jq .publicationsPerSecond"],
  define(command: Command) {
    command
      .option("--once", "print one reading and exit")
      .addOption(
        new Option("--every <duration>", "the refresh interval")
          .argParser(parseDuration)
          .default(DEFAULT_EVERY_MS, "2s"),
      );
  },
  async run(invocation) {
    const { options, output, connect } = invocation;
    if (output.mode === "plain" && !options.once) {
      throw usageFailure(
        "top needs a terminal, and stdout is not one. Use --once for one reading, or --json for a stream of readings.",
      );
    }
    const client = await connect();
    const readings = new Readings(client, invocation);
    const first = await readings.next();
    if (output.mode === "json") return stream(first, readings, invocation);
    const top = new Top(first, client, readings, invocation, (await invocation.address()).url);
    if (options.once)
      output.write(`${top.frame(process.stdout.columns ?? PIPE_COLUMNS, Number.POSITIVE_INFINITY).join("\n")}\n`);
    else await top.run();
  },
};

async function stream(
  first: Reading,
  readings: Readings,
  { options, output, signal }: Invocation<TopOptions>,
): Promise<void> {
  let reading = first;
  for (;;) {
    output.record(reading, () => "");
    if (options.once) return;
    await pause(options.every, undefined, { signal });
    reading = await readings.next();
  }
}

/** The live display: redrawn at every reading, key, resize and change of the connection. */
class Top {
  #reading: Reading;
  #view: View = FIRST_VIEW;
  #trouble: string | null = null;
  #screen: FullScreen | null = null;
  readonly #client: Client;
  readonly #readings: Readings;
  readonly #invocation: Invocation<TopOptions>;
  readonly #url: string;
  readonly #quit = new AbortController();

  constructor(first: Reading, client: Client, readings: Readings, invocation: Invocation<TopOptions>, url: string) {
    this.#reading = first;
    this.#client = client;
    this.#readings = readings;
    this.#invocation = invocation;
    this.#url = url;
  }

  frame(columns: number, rows: number): string[] {
    const { colors } = this.#invocation.output;
    const parts = { reading: this.#reading, view: this.#view, url: this.#url, trouble: this.#trouble };
    return drawFrame({ ...parts, colors, nowMs: Date.now(), columns, rows });
  }

  async run(): Promise<void> {
    const screen = new FullScreen({ key: (key) => this.#press(key), resize: () => this.#draw() });
    this.#screen = screen;
    const stop = this.#client.on("state", ({ name }) => {
      this.#trouble = name === "connected" ? null : "disconnected, reconnecting; showing the last reading";
      this.#draw();
    });
    try {
      await this.#watch();
    } finally {
      stop();
      this.#screen = null;
      screen.leave();
    }
  }

  /** Resolves when the user quits. Rejects if the command is interrupted or the hub refuses permanently. */
  async #watch(): Promise<void> {
    const { signal, options } = this.#invocation;
    const leaving = AbortSignal.any([signal, this.#quit.signal]);
    const left = untilAborted(leaving).catch(() => signal.throwIfAborted());
    // The race handles rejections. Between races there is no handler.
    left.catch(() => undefined);
    while (!this.#quit.signal.aborted) {
      this.#draw();
      const begun = performance.now();
      await Promise.race([this.#read(), left]);
      const restMs = Math.max(options.every, (performance.now() - begun) * REST_FACTOR);
      this.#draw();
      await pause(restMs, undefined, { signal: leaving }).catch(() => signal.throwIfAborted());
    }
  }

  async #read(): Promise<void> {
    try {
      this.#reading = await this.#readings.next();
      this.#trouble = null;
    } catch (error) {
      if (!(error instanceof RealtimeError) || !error.temporary) throw error;
      this.#trouble ??= error.message;
    }
  }

  #press(key: Key): void {
    const { rows } = this.#screen?.size ?? { rows: 24 };
    const shown = this.#reading.channels.filter(({ name }) => name.includes(this.#view.filter)).length;
    const view = press(this.#view, key, channelRoom({ reading: this.#reading, rows }));
    if (view === null) {
      this.#quit.abort();
      return;
    }
    this.#view = { ...view, marked: Math.max(0, Math.min(view.marked, shown - 1)) };
    this.#draw();
  }

  #draw(): void {
    if (!this.#screen) return;
    const { columns, rows } = this.#screen.size;
    this.#screen.draw(this.frame(columns, rows));
  }
}
