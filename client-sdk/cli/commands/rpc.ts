import type { Command } from "commander";
import { RealtimeError } from "../../kernel/errors.ts";
import type { RpcMethod, RpcParams } from "../../protocol/index.ts";
import { nearest } from "../format/text.ts";
import { CliFailure, EXIT_CODES, usageFailure } from "../kernel/failure.ts";
import type { CliCommand, Invocation } from "../program/command.ts";
import { RPC_METHODS } from "../rpc/methods.ts";
import { jsonArgument } from "../terminal/input.ts";

interface RpcCommandOptions {
  idempotencyKey?: string;
  all?: true;
}

type Call = (params: unknown) => Promise<unknown>;

/** `rpc`: calls any method of the hub. */
export const rpcCommand: CliCommand<RpcCommandOptions> = {
  name: "rpc",
  summary: "call a method of the hub and print its result",
  description:
    "Params are JSON: as typed, from stdin (-) or from a file (@file); or words such as name=Anna count:=3, with JSON after " +
    ":=. The shell completes method names (see `completion`).",
  examples: [
    "rpc tasks.get id=task_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    `rpc tasks.list '{"projectId":"proj_01ARZ3NDEKTSV4RRFFQ69G5FAV"}' --all --json | jq -r .title`,
    "rpc projects.create @project.json --idempotency-key deploy-42",
    "rpc connections.list limit:=10",
  ],
  define(command: Command) {
    command
      .argument("<method>")
      .argument("[params...]", "JSON, -, @file, or name=text and name:=json words")
      .option("--idempotency-key <key>", "calls with the same key run once, so that a retry is safe")
      .option("--all", "for lists: print the items of all pages, one per line");
  },
  async run(invocation) {
    const { args, options, output, connect } = invocation;
    const [method = "", ...words] = args;
    const params = await paramsOf(words);
    const client = await connect();
    const { signal, timeoutMs } = invocation;
    const { idempotencyKey } = options;
    const call: Call = (asked) =>
      client
        .rpc(method as RpcMethod, asked as RpcParams<RpcMethod>, {
          signal,
          timeoutMs,
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        })
        .catch((error: unknown) => {
          throw withSuggestions(error, method);
        });
    if (options.all) await printAll(call, method, params, invocation);
    else output.document(await call(params));
  },
};

async function paramsOf(words: readonly string[]): Promise<unknown> {
  const [first] = words;
  if (first === undefined) return {};
  const isPairs = words.every((word) => PAIR.test(word));
  if (isPairs) return Object.fromEntries(words.map(pairOf));
  if (words.length === 1) return jsonArgument(first, "params");
  throw usageFailure("Params are one JSON value, or words of the form name=text and name:=json.");
}

const PAIR = /^([A-Za-z][A-Za-z0-9]*)(:?=)([\s\S]*)$/;

function pairOf(word: string): [name: string, value: unknown] {
  const [, name = "", kind, text = ""] = PAIR.exec(word) ?? [];
  if (kind === "=") return [name, text];
  try {
    return [name, JSON.parse(text)];
  } catch (error) {
    throw usageFailure(`${name}:= must be followed by JSON (${(error as Error).message}). For text use ${name}=.`);
  }
}

/** Prints all pages, each requested with the previous page's cursor. */
async function printAll(call: Call, method: string, params: unknown, { output }: Invocation): Promise<void> {
  let cursor: string | null = null;
  do {
    const page = await call(cursor === null ? params : { ...(params as object), cursor });
    const { items, nextCursor } = page as { items?: unknown; nextCursor?: string | null };
    if (!Array.isArray(items)) throw usageFailure(`${method} does not return a list. Omit --all.`);
    for (const item of items) output.record(item, () => JSON.stringify(item));
    cursor = nextCursor ?? null;
  } while (cursor !== null);
}

/** Adds similar names if the hub does not know the method. */
function withSuggestions(error: unknown, method: string): unknown {
  if (!(error instanceof RealtimeError) || error.code !== "unknown_method") return error;
  const likely = nearest(method, RPC_METHODS);
  const hint = likely.length > 0 ? `Did you mean ${likely.join(", ")}?` : "See `completion` for all names by Tab.";
  const isOlder = RPC_METHODS.includes(method);
  return new CliFailure(
    isOlder ? `This hub is older than ${method}: update the hub.` : `The hub has no method ${method}. ${hint}`,
    { exitCode: EXIT_CODES.forbiddenOrNotFound, code: error.code, traceId: error.traceId, cause: error },
  );
}
