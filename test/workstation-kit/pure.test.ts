import { equal, is, match, throws } from "uvu/assert";
import { type Assignment, InvalidArgumentError, type ReportedAgent } from "../../client-sdk/index.ts";
import { ResultsFileError } from "../../client-sdk/workstation/index.ts";
import { resolveWorkstationOptions, type WorkstationOptions } from "../../client-sdk/workstation/options.ts";
import { presenceMeta } from "../../client-sdk/workstation/presence-meta.ts";
import { reconcile } from "../../client-sdk/workstation/reconcile.ts";
import { formatResults, type PendingResult, parseResults } from "../../client-sdk/workstation/results-file.ts";
import { sleptMs } from "../../client-sdk/workstation/sleep-watch.ts";
import { finishOf } from "../../client-sdk/workstation/task.ts";
import { suite } from "../support/suite.ts";

const test = suite("pure parts of the workstation kit");

test("presence follows from agents, projects and running tasks", () => {
  const claude: ReportedAgent = { type: "claude-code", name: "a" };
  const cursor: ReportedAgent = { type: "cursor", name: "b", status: "error" };
  const none = { agents: [], projects: [], running: [], devServerPort: null };
  const idle = { status: "online", availableAgents: [], activeProjects: [], currentTaskCount: 0 };
  const table: [Partial<Parameters<typeof presenceMeta>[0]>, Record<string, unknown>][] = [
    [{}, idle],
    [{ agents: [claude, { ...claude, name: "c" }, cursor] }, { ...idle, availableAgents: ["claude-code"] }],
    [{ devServerPort: 5_173 }, { ...idle, devServerPort: 5_173 }],
    [
      { projects: ["p"], running: [{ projectId: "q" }, { projectId: "p" }] },
      { ...idle, status: "busy", activeProjects: ["p", "q"], currentTaskCount: 2 },
    ],
  ];
  for (const [facts, meta] of table) equal(presenceMeta({ ...none, ...facts }), meta);
});

test("assignments held by the hub are taken, resumed or dropped, and newer ones stay", () => {
  const held = (id: string, status: string) => ({ id, status }) as Assignment;
  const table: [string, Assignment[], string[], string[], { take: string[]; resume: string[]; drop: string[] }][] = [
    ["nothing anywhere", [], [], [], { take: [], resume: [], drop: [] }],
    ["one that is new", [held("a", "starting")], [], [], { take: ["a"], resume: [], drop: [] }],
    ["one of an earlier run", [held("a", "active")], [], [], { take: [], resume: ["a"], drop: [] }],
    ["one already running", [held("a", "active")], ["a"], ["a"], { take: [], resume: [], drop: [] }],
    ["one cancelled", [], ["a"], ["a"], { take: [], resume: [], drop: ["a"] }],
    ["one received during the request", [], [], ["a"], { take: [], resume: [], drop: [] }],
    ["one whose result is pending", [held("a", "active")], [], ["a"], { take: [], resume: [], drop: [] }],
  ];
  for (const [name, rows, before, known, expected] of table) {
    const result = reconcile(rows, { before: new Set(before), isKnown: (id) => known.includes(id) });
    const ids = (assignments: Assignment[]) => assignments.map(({ id }) => id);
    equal({ take: ids(result.take), resume: ids(result.resume), drop: result.drop }, expected, name);
  }
});

test("sleep is detected if a clock advanced further than a busy program explains", () => {
  const at = (wallMs: number, monotonicMs: number) => ({ wallMs, monotonicMs });
  const table: [string, ReturnType<typeof at>, number][] = [
    ["an interval", at(2_000, 2_000), 0],
    ["a busy program", at(6_900, 6_900), 0],
    ["sleep in which the monotonic clock stopped", at(602_000, 2_000), 600_000],
    ["sleep in which both clocks continued", at(602_000, 602_000), 600_000],
    ["a clock that was set back", at(-3_600_000, 2_000), 0],
    ["sleep, and a clock that was set back", at(-3_600_000, 62_000), 60_000],
  ];
  for (const [name, after, expected] of table) is(sleptMs(at(0, 0), after, 2_000, 5_000), expected, name);
});

const result = (id: string): PendingResult => ({
  key: `key-${id}`,
  taskId: "task_1",
  start: null,
  finish: { id, outcome: "completed", outputSummary: "line\nbreak" },
});

test("a results file is read as it was written, and a truncation loses only that line", () => {
  const all = [result("a"), result("b")];
  const text = formatResults(all);
  const [header = "", first = "", second = ""] = text.split("\n");
  const table: [string, string | null, PendingResult[], number][] = [
    ["no file", null, [], 0],
    ["an empty file", "", [], 0],
    ["a truncated header", header.slice(0, 9), [], 0],
    ["a whole file", text, all, 0],
    ["without its last line break", text.trimEnd(), all, 0],
    ["truncated in the last line", text.slice(0, -20), [result("a")], 1],
    ["damaged in the middle", [header, first.slice(3), second].join("\n"), [result("b")], 1],
    ["filled with zeros by the disk", "\0".repeat(text.length), [], 1],
    ["a header that is half zeros", `${header.slice(0, 20)}${"\0".repeat(30)}`, [], 1],
    ["a damaged header before results", text.replace("monster", "m\u0001nster").slice(1), all, 1],
    ["another kind of JSON", [header, "[]", "7", "{}", second].join("\n"), [result("b")], 3],
  ];
  for (const [name, content, results, damaged] of table) equal(parseResults(content, "f"), { results, damaged }, name);
  const newer = text.replace('"version":1', '"version":2');
  for (const other of ["{}", "hello\n", `${header}x\n`, newer, `${first}\n`])
    throws(
      () => parseResults(other, "f"),
      (error: unknown) => error instanceof ResultsFileError,
    );
});

test("a result becomes a finish call without the missing fields", () => {
  equal(finishOf("s", {}), { id: "s", outcome: "completed" });
  equal(finishOf("s", { status: "timeout", error: "slow", errorType: "limit", summary: "half" }), {
    id: "s",
    outcome: "timeout",
    outputSummary: "half",
    errorMessage: "slow",
    errorType: "limit",
  });
});

test("invalid options are rejected with a remedy", () => {
  const good: WorkstationOptions = { url: "http://localhost:1", token: "wst_x", agents: [], onTask: () => undefined };
  const table: [Record<string, unknown>, RegExp][] = [
    [{ agentz: [] }, /Unknown option agentz\. Known are url/],
    [{ offlineQueueLimit: 1 }, /Unknown option offlineQueueLimit/],
    [{ agents: undefined }, /agents must be a list/],
    [{ agents: [{ type: "cursor" }] }, /agents must be a list/],
    [{ projects: "proj_1" }, /projects must be a list/],
    [{ onTask: undefined }, /onTask must be a function/],
    [{ onResume: 7 }, /onResume must be a function/],
    [{ resultsFile: "" }, /resultsFile must be the path/],
    [{ devServerPort: 70_000 }, /devServerPort must be a whole number/],
    [{ shutdownGraceMs: -1 }, /shutdownGraceMs must be a number of milliseconds/],
    [{ drainMs: "1s" }, /drainMs must be a number of milliseconds/],
    [{ autoStartMs: Number.NaN }, /autoStartMs must be a number of milliseconds/],
    [{ handleSignals: "no" }, /handleSignals must be true or false/],
    [{ exitOnSignal: 1 }, /exitOnSignal must be true or false/],
  ];
  equal(resolveWorkstationOptions(good).shutdownGraceMs, 10_000);
  for (const [more, message] of table) {
    throws(
      () => resolveWorkstationOptions({ ...good, ...more } as WorkstationOptions),
      (error: unknown) => {
        match((error as Error).message, message);
        return error instanceof InvalidArgumentError;
      },
    );
  }
});

test.run();
