import type { Statements } from "../../hub/kernel/statements.ts";
import type { Database } from "../../hub/store/database.ts";

export interface PlanNode {
  "Node Type": string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Index Recheck"?: number;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Plan Rows": number;
  Plans?: PlanNode[];
}
export interface Statement {
  text: string;
  values: unknown[];
}

/** The statement that `run` executes, without a database. */
export function statementOf(run: (sql: Statements) => unknown): Statement {
  const statements: Statement[] = [];
  run({ unsafe: (text: string, values: unknown[]) => statements.push({ text, values }) } as unknown as Statements);
  const [statement] = statements;
  if (!statement) throw new Error("no statement was executed");
  return statement;
}

export async function plan(database: Database, { text, values }: Statement, options = ""): Promise<PlanNode[]> {
  const explain = `EXPLAIN (FORMAT JSON${options}) ${text}`;
  const [row] = await database.query((sql) =>
    sql.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(explain, values as never[]),
  );
  const nodes = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  return nodes(row?.["QUERY PLAN"][0].Plan as PlanNode);
}

/** Rows that a statement reads from tables and indexes when it runs. */
export async function rowsRead(database: Database, statement: Statement): Promise<number> {
  const nodes = await plan(database, statement, ", ANALYZE, TIMING OFF");
  return nodes
    .filter((node) => /Scan$/.test(node["Node Type"]) && node["Node Type"] !== "CTE Scan")
    .map((node) => {
      const removed = (node["Rows Removed by Filter"] ?? 0) + (node["Rows Removed by Index Recheck"] ?? 0);
      return ((node["Actual Rows"] ?? 0) + removed) * (node["Actual Loops"] ?? 0);
    })
    .reduce((sum, rows) => sum + rows, 0);
}
