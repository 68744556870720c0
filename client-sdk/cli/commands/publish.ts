import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { Client, PublishReply } from "../../index.ts";
import type { Channel } from "../../protocol/index.ts";
import { channelNamed } from "../channels/names.ts";
import { parseCount } from "../format/numbers.ts";
import { parseDuration } from "../format/times.ts";
import { withTimeLimit } from "../kernel/abort-signals.ts";
import { CliFailure, usageFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { jsonArgument, stdinLines, textArgument } from "../terminal/input.ts";
import type { Output } from "../terminal/output.ts";

interface PublishOptions {
  id?: string;
  ephemeral?: true;
  text?: true;
  lines?: true;
  count?: number;
  every?: number;
}

/** `publish`: publishes on a channel. */
export const publishCommand: CliCommand<PublishOptions> = {
  name: "publish",
  summary: "publish on a channel, once or many times",
  description:
    "The payload is JSON: as typed, from stdin (-) or from a file (@file); null by default. Prints the position in the stream " +
    "of each. With --count or --every, {{n}} in the payload is a counter and {{time}} the time in ms.",
  examples: [
    `publish task:task_01ARZ3NDEKTSV4RRFFQ69G5FAV note '{"text":"hello"}'`,
    "publish task_01ARZ3NDEKTSV4RRFFQ69G5FAV note --text 'just words'",
    `publish task_01ARZ3NDEKTSV4RRFFQ69G5FAV tick '{"n":{{n}}}' --count 10 --every 1s`,
    "some-program | monster-realtime publish task_01ARZ3NDEKTSV4RRFFQ69G5FAV log --text --lines -",
  ],
  define(command: Command) {
    command
      .argument("<channel>")
      .argument("<type>", "the publication's type, such as note or build:done")
      .argument("[payload]", "JSON, - or @file")
      .option("--id <ulid>", "the idempotency key: repeated keys are stored once")
      .option("--ephemeral", "only for current subscribers; not stored")
      .option("--text", "the payload is plain text, not JSON")
      .option("--lines", "each line of stdin is a payload")
      .option("-n, --count <count>", "how many times", parseCount)
      .option("--every <duration>", "the interval; unlimited without --count", parseDuration);
  },
  async run(invocation) {
    const { args, options, connect } = invocation;
    const [typed = "", type = "", payload] = args;
    const channel = channelNamed(typed);
    checkOptions(options, payload);
    const payloads = await payloadsOf(payload, options);
    const client = await connect();
    await publishAll(client, { channel, type, payloads }, invocation);
  },
};

function checkOptions({ id, count, every, lines }: PublishOptions, payload: string | undefined): void {
  const repeats = count !== undefined || every !== undefined;
  if (id !== undefined && (repeats || lines))
    throw usageFailure(
      "--id can't be combined with --count, --every and --lines: it identifies one publication. Omit them.",
    );
  if (lines && (repeats || payload !== "-"))
    throw usageFailure("--lines reads payloads from stdin. Give - as the payload, and omit --count and --every.");
}

type Payloads = AsyncIterable<unknown> | Iterable<unknown>;

/** Returns all payloads, checked before the first is sent. Lines of stdin are checked as they arrive. */
async function payloadsOf(payload: string | undefined, options: PublishOptions): Promise<Payloads> {
  if (options.lines) return parsedLines(options);
  const isRepeated = options.count !== undefined || options.every !== undefined;
  const isTemplate = isRepeated && payload !== undefined && /\{\{(?:n|time)\}\}/.test(payload);
  if (isTemplate) {
    await parsed(filled(payload, 1), options);
    return templates(payload, options);
  }
  const value = payload === undefined ? null : await parsed(payload, options);
  return repeated(value, timesOf(options));
}

const timesOf = ({ count, every }: PublishOptions): number =>
  count ?? (every === undefined ? 1 : Number.POSITIVE_INFINITY);

function* repeated(value: unknown, times: number): Generator<unknown> {
  for (let n = 0; n < times; n++) yield value;
}

async function* templates(template: string, options: PublishOptions): AsyncGenerator<unknown> {
  for (let n = 1; n <= timesOf(options); n++) yield await parsed(filled(template, n), options);
}

const filled = (template: string, n: number): string =>
  template.replaceAll("{{n}}", String(n)).replaceAll("{{time}}", String(Date.now()));

async function* parsedLines(options: PublishOptions): AsyncGenerator<unknown> {
  let line = 0;
  for await (const text of stdinLines()) {
    line += 1;
    if (text !== "") yield options.text ? text : await jsonArgument(text, `payload in line ${line}`);
  }
}

function parsed(payload: string, { text }: PublishOptions): Promise<unknown> {
  return text ? textArgument(payload, "payload") : jsonArgument(payload, "payload");
}

interface Wanted {
  channel: Channel;
  type: string;
  payloads: Payloads;
}

async function publishAll(
  client: Client,
  { channel, type, payloads }: Wanted,
  { options, output, signal, timeoutMs }: Invocation<PublishOptions>,
): Promise<void> {
  const { every, ephemeral = false, id } = options;
  let next = performance.now();
  for await (const payload of payloads) {
    if (every !== undefined) await pause(Math.max(0, next - performance.now()), undefined, { signal });
    next += every ?? 0;
    const limit = withTimeLimit(signal, timeoutMs);
    const given = { ephemeral, signal: limit.signal, ...(id === undefined ? {} : { id }) };
    const reply = await client.publish(channel, type, payload, given).catch((error: unknown) => {
      throw limit.isOver ? notAnswered(timeoutMs) : error;
    });
    show(output, channel, reply, ephemeral);
  }
}

const notAnswered = (timeoutMs: number): CliFailure =>
  new CliFailure(
    `The hub did not answer within ${timeoutMs / 1000} s: it may have been published. Check the history before you retry.`,
    { code: "timeout" },
  );

function show(output: Output, channel: Channel, reply: PublishReply, ephemeral: boolean): void {
  output.record({ channel, ...reply }, () => {
    const place = ephemeral ? "ephemeral" : `#${reply.offset}`;
    return [place, reply.id, ...(reply.duplicate ? ["duplicate"] : [])].join("\t");
  });
}
