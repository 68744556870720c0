import type { Command } from "commander";
import { RealtimeError } from "../../kernel/errors.ts";
import { channelNamed } from "../channels/names.ts";
import { CliFailure, EXIT_CODES } from "../kernel/failure.ts";
import type { CliCommand } from "../program/command.ts";
import { silentNodesWarning } from "../rpc/pages.ts";
import { traceLines, traceTree } from "../trace/tree.ts";

interface TraceOptions {
  channel?: string;
}

/** `trace`: shows a publication's origin and deliveries. */
export const traceCommand: CliCommand<TraceOptions> = {
  name: "trace",
  summary: "show a publication's time, publisher and node, and its deliveries",
  description:
    "For admins and services. Nodes remember only recent publications, for a limited time. `publish`, `tail --json` and\n" +
    "`history --json` print ids. Delivered does not mean received by the client.",
  examples: ["trace 01ARZ3NDEKTSV4RRFFQ69G5FAV", "trace 01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq '.deliveries | length'"],
  define(command: Command) {
    command
      .argument("<publication>", "the publication's id")
      .option("--channel <channel>", "the channel, if one id was used on several (default: the newest)");
  },
  async run({ args: [id = ""], options, output, signal, timeoutMs, connect }) {
    const channel = options.channel === undefined ? {} : { channel: channelNamed(options.channel) };
    const client = await connect();
    const trace = await client
      .rpc("publications.trace", { id, ...channel }, { signal, timeoutMs })
      .catch((error: unknown) => {
        throw explained(error, id);
      });
    if (output.mode === "terminal") output.write(`${traceTree(trace, output.colors)}\n`);
    else output.record(trace, () => traceLines(trace).join("\n"));
    if (output.mode === "plain" && trace.silentNodes > 0) output.warn(silentNodesWarning(trace.silentNodes));
  },
};

/** Explains `not_found`: nodes forget publications. */
function explained(error: unknown, id: string): unknown {
  if (!(error instanceof RealtimeError) || error.code !== "not_found") return error;
  return new CliFailure(
    `No node remembers a publication ${id} visible to you: nodes keep only recent publications. Check the id, or use ` +
      "`history` for stored publications.",
    { exitCode: EXIT_CODES.forbiddenOrNotFound, code: error.code, traceId: error.traceId, cause: error },
  );
}
