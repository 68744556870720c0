import type { AgentListItem, AgentsReport } from "@monster-realtime/client/protocol";
import { z } from "zod";
import { HubError } from "../../kernel/errors.ts";
import { newId } from "../../kernel/ids.ts";
import type { Statements } from "../../kernel/statements.ts";
import { parent, refuseUnless } from "../crud.ts";
import { agents, reportedAgent } from "../entities/agents.ts";
import { workstations } from "../entities/workstations.ts";
import * as field from "../fields.ts";
import { defineProcedure } from "../procedure.ts";
import { may, RIGHTS } from "../rights.ts";
import { lockAgentsOf } from "../sql/lookups.ts";
import { type AgentDifferences, agentDifferences, agentKey } from "./agent-differences.ts";

const MAX_REPORTED = 100;
/** Bounds the table, in case a workstation reports new names at every start. */
const MAX_KNOWN = 1_000;

const reported = z
  .array(reportedAgent)
  .max(MAX_REPORTED, `must be at most ${MAX_REPORTED} agents`)
  .superRefine((all, context) => {
    const seen = new Set<string>();
    for (const [place, agent] of all.entries()) {
      const key = agentKey(agent);
      if (seen.has(key)) context.addIssue({ code: "custom", path: [place], message: "is reported twice" });
      seen.add(key);
    }
  });

const report = defineProcedure<AgentsReport>({
  method: "agents.report",
  kind: "write",
  input: field.paramsOf<"agents.report">()(z.strictObject({ agents: reported })),
  rights: RIGHTS.agents.report,
  async handler(context, input) {
    const { sql, caller } = context;
    const workstationId = caller.principal.id;
    // Locks the workstation, so that of two concurrent reports the second one sees the result of the first.
    const place = await parent(workstations, context, workstationId);
    refuseUnless(may(caller, RIGHTS.agents.report, place));
    await lockAgentsOf(sql, workstationId);
    const known = await agentsOf(sql, workstationId);
    const differences = agentDifferences(known, input.agents);
    refuseTooMany(known.length + differences.created.length);
    await write(sql, workstationId, differences);
    return { result: { agents: await agentsOf(sql, workstationId) }, place };
  },
});

async function write(sql: Statements, workstationId: string, { created, changed }: AgentDifferences): Promise<void> {
  for (const agent of created) {
    const row = { id: `${agents.idPrefix}_${newId()}`, workstationId, ...agent };
    await agents.rows.insert(sql, new Map<string, unknown>(Object.entries(row)));
  }
  for (const { id, set } of changed) await agents.rows.update(sql, id, set);
}

/** The agents with the fields of pages, which exclude secrets. */
async function agentsOf(sql: Statements, workstationId: string): Promise<AgentListItem[]> {
  const filters = new Map([["workstationId", workstationId]]);
  const query = { organizationId: undefined, projectId: undefined, filters, after: null, limit: MAX_KNOWN + 1 };
  const found = await agents.rows.page(sql, query, { kind: "all" });
  return found.map((row) => agents.rows.toEntity(row));
}

function refuseTooMany(count: number): void {
  if (count <= MAX_KNOWN) return;
  const message = `A workstation has at most ${MAX_KNOWN} agents, including disabled ones. Delete unused agents first.`;
  throw new HubError("conflict", message);
}

export const agentsReport = { procedures: [report] };
