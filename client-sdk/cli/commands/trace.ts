import type { Command } from "commander";
import { RealtimeError } from "../../errors.ts";
import { channelNamed } from "../channels.ts";
import { CliFailure, EXIT_CODES } from "../failure.ts";
import { silence } from "../pages.ts";
import { traceLines, traceTree } from "../trace/tree.ts";
import type { CliCommand } from "./command.ts";

interface TraceOptions {
  channel?: string;
}

/** `trace`: where a publication came from and to whom it went. */
export const traceCommand: CliCommand<TraceOptions> = {
  name: "trace",
  summary: "show when, by whom and where something was published, and to whom it was delivered",
  description:
    "For admins and services. Nodes remember for a while, of the newest publications. `publish`, `tail --json` and\n" +
    "`history --json` print ids. Delivered is handed over, not read.",
  examples: ["trace 01ARZ3NDEKTSV4RRFFQ69G5FAV", "trace 01ARZ3NDEKTSV4RRFFQ69G5FAV --json | jq '.deliveries | length'"],
  define(command: Command) {
    command
      .argument("<publication>", "its id")
      .option("--channel <channel>", "where one id was used on several; else the newest");
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
    if (output.mode === "plain" && trace.silentNodes > 0) output.warn(silence(trace.silentNodes));
  },
};

/** Not there is not the whole truth: nodes forget. */
function explained(error: unknown, id: string): unknown {
  if (!(error instanceof RealtimeError) || error.code !== "not_found") return error;
  return new CliFailure(
    `No node remembers a publication ${id} that you may see. Check the id; nodes remember the newest for a while, and ` +
      "`history` shows what is stored.",
    { exitCode: EXIT_CODES.forbiddenOrNotFound, code: error.code, traceId: error.traceId, cause: error },
  );
}
