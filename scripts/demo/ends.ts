import { type Assignment, type Client, ulid } from "@monster-realtime/client";
import { unlessOvertaken } from "./refusals.ts";

/** An assignment that was being worked on when the machine went down: what was done is lost. */
export async function endInterrupted(client: Client, { id, task }: Assignment, say: (what: string) => void) {
  const errorMessage = "the machine restarted";
  const ending = { id, outcome: "failed", errorType: "restarted", errorMessage } as const;
  await unlessOvertaken(client.rpc("agentSessions.finish", ending, { idempotencyKey: ulid() }));
  say(`gives up "${task.title}": ${errorMessage}`);
}

/**
 * Gives back all that a workstation holds; answers how many assignments that were. The caller sees to it that it is given
 * nothing more.
 */
export async function endEverything(client: Client): Promise<number> {
  let count = 0;
  for (;;) {
    const { items } = await client.rpc("workstations.assignments", {});
    if (items.length === 0) return count;
    for (const assignment of items) if (await unlessOvertaken(giveBack(client, assignment))) count += 1;
  }
}

function giveBack(client: Client, { id, status }: Assignment) {
  const reason = "the demo ended";
  const ending = { id, outcome: "failed", errorType: "stopped", errorMessage: reason } as const;
  return status === "starting"
    ? client.rpc("agentSessions.refuse", { id, reason }, { idempotencyKey: ulid() })
    : client.rpc("agentSessions.finish", ending, { idempotencyKey: ulid() });
}
