import type { Command } from "commander";
import type { Client, Publication, Subscription } from "../../index.ts";
import type { Channel } from "../../protocol/index.ts";
import { collectGlobs, typeMatcher } from "../channels/glob.ts";
import { channelNamed } from "../channels/names.ts";
import { hubNow, parseSince, readPast } from "../channels/past.ts";
import { PublicationLines } from "../channels/publication-lines.ts";
import { parseCount } from "../format/numbers.ts";
import { untilAborted } from "../kernel/abort-signals.ts";
import { CliFailure, failureOf } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";

interface TailOptions {
  since?: string;
  type?: string[];
  oneLine?: true;
  presence?: true;
  count?: number;
}

/** `tail`: prints publications as they arrive. */
export const tailCommand: CliCommand<TailOptions> = {
  name: "tail",
  summary: "follow channels: every publication, in order, over reconnects",
  description:
    "Reports recovered and lost publications on stderr after a reconnect. A channel is its full name, or the id of a " +
    "workstation or task. With --json each value has an event: publication, recovered, lost, trimmed, ended, join, update, leave.",
  examples: [
    "tail task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "tail project:proj_01ARZ3NDEKTSV4RRFFQ69G5FAV:tasks task_01ARZ3NDEKTSV4RRFFQ69G5FAV --since 10m",
    "tail ws_01ARZ3NDEKTSV4RRFFQ69G5FAV --type 'task:*' --presence --json | jq .payload",
  ],
  define(command: Command) {
    command
      .argument("<channel...>")
      .option("--since <when>", "start in the past: a duration (10m), an offset to start after, a time, or all")
      .option("--type <glob>", "only matching types; may be repeated", collectGlobs)
      .option("--presence", "also joins, updates and leaves of members")
      .option("--one-line", "on a terminal, truncate each payload to one line")
      .option("-n, --count <count>", "exit after this number of publications", parseCount);
  },
  async run(invocation) {
    const { args, options } = invocation;
    if (options.since !== undefined) parseSince(options.since, Date.now());
    const channels = [...new Set(args.map(channelNamed))];
    const client = await invocation.connect();
    await new Tail(client, channels, invocation).run();
  },
};

/** Follows channels until Ctrl-C, until the count is reached, or until the hub has ended all of them. */
class Tail {
  readonly #client: Client;
  readonly #channels: readonly Channel[];
  readonly #invocation: Invocation<TailOptions>;
  readonly #lines: PublicationLines;
  readonly #matches: (publication: Publication) => boolean;
  readonly #subscriptions = new Map<Channel, Subscription>();
  readonly #over: Promise<void>;
  #finish: (failure?: CliFailure) => void = () => {};
  #left: number;

  constructor(client: Client, channels: readonly Channel[], invocation: Invocation<TailOptions>) {
    this.#client = client;
    this.#channels = channels;
    this.#invocation = invocation;
    this.#lines = new PublicationLines(invocation.output, channels, invocation.options);
    this.#matches = typeMatcher(invocation.options.type);
    this.#left = invocation.options.count ?? Number.POSITIVE_INFINITY;
    this.#over = new Promise((resolve, reject) => {
      this.#finish = (failure) => (failure ? reject(failure) : resolve());
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#invocation;
    try {
      const followed = this.#followAll();
      await Promise.race([followed.then(() => this.#over), this.#over, untilAborted(signal)]);
    } finally {
      const unsubscribed = [...this.#subscriptions.values()].map((subscription) => subscription.unsubscribe());
      if (this.#client.state.name === "connected") await Promise.all(unsubscribed);
    }
  }

  async #followAll(): Promise<void> {
    await Promise.all(
      this.#channels.map((channel) => this.#follow(channel).catch((error) => this.#refused(channel, error))),
    );
    const followed = this.#channels.length === 1 ? this.#channels[0] : `${this.#channels.length} channels`;
    this.#invocation.output.say(`Following ${followed}. Press Ctrl-C to stop.`);
  }

  async #follow(channel: Channel): Promise<void> {
    const { options, signal, timeoutMs } = this.#invocation;
    const { since } = options;
    const presence = options.presence ?? false;
    if (since === undefined) return this.#live(channel, this.#client.subscribe(channel, { presence }), true);
    const matches = (publication: Publication) => this.#matches(publication);
    const asked = parseSince(since, hubNow(this.#client));
    const past = await readPast(this.#client, channel, { since: asked, limit: null, matches, signal, timeoutMs });
    if (!past.complete) this.#lines.trimmed(channel, past.publications[0]?.offset ?? past.position.offset + 1);
    for (const publication of past.publications) this.#show(channel, publication);
    return this.#live(channel, this.#client.subscribe(channel, { presence, recover: past.position }), false);
  }

  /** The first recovery after reading the past is not reported; later ones are. */
  async #live(channel: Channel, subscription: Subscription, isJoined: boolean): Promise<void> {
    this.#subscriptions.set(channel, subscription);
    let reportsRecovery = isJoined;
    subscription.on("publication", (publication) => {
      if (this.#matches(publication)) this.#show(channel, publication);
    });
    subscription.on("recovered", ({ publications, position }) => {
      if (reportsRecovery) this.#recovered(channel, publications, position.offset);
      reportsRecovery = true;
    });
    subscription.on("lost", (gap) => {
      reportsRecovery = true;
      const words = `Lost: the hub could not recover the publications after #${gap.previous.offset}. The stream continues after #${gap.position.offset}.`;
      this.#lines.event(channel, "lost", gap, words);
    });
    this.#lines.watch(channel, subscription.presence);
    await this.#ready(channel, subscription);
    subscription.on("state", (state) => {
      if (state.name === "ended" && state.error) this.#ended(channel, failureOf(state.error));
    });
  }

  /** Warns if the subscription is not ready in time. The SDK retries temporary refusals. */
  async #ready(channel: Channel, subscription: Subscription): Promise<void> {
    const { output, timeoutMs } = this.#invocation;
    const slow = setTimeout(
      () => output.warn(`The hub has not accepted the subscription to ${channel} yet. Still trying.`),
      timeoutMs,
    );
    await subscription.ready().finally(() => clearTimeout(slow));
  }

  /** With several channels, adds the channel's name to the failure. */
  #refused(channel: Channel, error: unknown): never {
    const failure = failureOf(error);
    const { exitCode, code, traceId } = failure;
    if (this.#channels.length === 1) throw failure;
    throw new CliFailure(`${channel}: ${failure.message}`, { exitCode, code, traceId, cause: error });
  }

  #recovered(channel: Channel, publications: number, offset: number): void {
    const words =
      publications === 0 ? "No publications were missed." : `Recovered ${publications} missed publications.`;
    this.#lines.event(channel, "recovered", { publications, offset }, words);
  }

  #show(channel: Channel, publication: Publication): void {
    if (this.#left <= 0) return;
    this.#lines.publication(channel, publication);
    if (--this.#left === 0) this.#finish();
  }

  /** The other channels continue. When the last one ends, the command ends. */
  #ended(channel: Channel, failure: CliFailure): void {
    this.#subscriptions.delete(channel);
    if (this.#subscriptions.size === 0) this.#finish(failure);
    else this.#lines.event(channel, "ended", { code: failure.code }, `Ended: ${failure.message}`);
  }
}
