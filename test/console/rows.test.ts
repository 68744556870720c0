import type { Project, Workstation } from "@monster-realtime/client";
import { equal, is } from "uvu/assert";
import { hashOf, parseRoute } from "../../hub/console/shell/route.ts";
import { ago } from "../../hub/console/shell/times.ts";
import { publicationRates } from "../../hub/console/workstations/activity.ts";
import { groupOf, linesOf, overviewOf } from "../../hub/console/workstations/overview.ts";
import {
  boardRow,
  compareRows,
  isFiltering,
  isShown,
  NO_FILTERS,
  type WorkstationMember,
} from "../../hub/console/workstations/rows.ts";
import { suite } from "../support/suite.ts";

const test = suite("the console's board of workstations");
const HOUR_MS = 3_600_000;
const AT = Date.parse("2026-01-02T03:04:05.000Z");

const row = (more: Partial<Workstation> = {}) =>
  ({ id: "ws_1", name: "One", hostname: "one.local", status: "offline", lastSeenAt: null, ...more }) as Workstation;
const member = (meta: object = {}, state: "live" | "suspect" = "live") =>
  ({
    key: "workstation:ws_1",
    state,
    joinedAt: AT - HOUR_MS,
    updatedAt: AT,
    meta: { status: "online", ...meta },
  }) as WorkstationMember;

for (const [status, of] of Object.entries({
  offline: boardRow(row(), undefined, "ws_1"),
  online: boardRow(row(), member(), "ws_1"),
  busy: boardRow(row(), member({ status: "busy" }), "ws_1"),
  suspect: boardRow(row(), member({ status: "busy" }, "suspect"), "ws_1"),
  suspended: boardRow(row({ status: "suspended" }), member(), "ws_1"),
})) {
  test(`derives ${status} from row and presence`, () => is(of.status, status));
}

test("ignores invalid values in a workstation's meta", () => {
  const { agents, runningTasks, devServer } = boardRow(
    row({ devServerPublicUrl: "javascript:alert(1)" }),
    member({ availableAgents: [1, "two"], currentTaskCount: "many", devServerPort: 3000 }),
    "ws_1",
  );
  equal(agents, ["1", "two"]);
  is(runningTasks, 0);
  equal(devServer, { port: 3000, url: null });
  equal(boardRow(row(), member({ availableAgents: "all", devServerPort: "x" }), "ws_1").devServer, null);
});

test("names a workstation without a loaded row by its id", () => {
  const { name, status, since } = boardRow(undefined, member(), "ws_1");
  equal([name, status, since], ["ws_1", "online", AT - HOUR_MS]);
});

test("shows since when a workstation is online or unreachable, and when it was last seen", () => {
  const lastSeenAt = new Date(AT).toISOString();
  is(boardRow(row({ lastSeenAt }), member({ status: "busy" }), "ws_1").since, AT - HOUR_MS);
  is(boardRow(row({ lastSeenAt }), member({}, "suspect"), "ws_1").since, AT);
  is(boardRow(row({ lastSeenAt }), undefined, "ws_1").since, AT);
  is(boardRow(row(), undefined, "ws_1").since, null);
});

test("keeps the agents of an offline workstation, but not its tasks", () => {
  const realtimePresenceMeta = { availableAgents: ["cursor"], currentTaskCount: 3, devServerPort: 3000 };
  const { agents, runningTasks, devServer } = boardRow(row({ realtimePresenceMeta }), undefined, "ws_1");
  equal({ agents, runningTasks, devServer }, { agents: ["cursor"], runningTasks: 0, devServer: null });
});

test("uses the row while the roster is unknown, and the roster afterwards", () => {
  const here = row({ status: "online", realtimePresenceMeta: { availableAgents: [], currentTaskCount: 2 } });
  const before = boardRow(here, undefined, "ws_1", false);
  equal([before.status, before.isLive, before.runningTasks], ["online", false, 2]);
  is(boardRow(row(), undefined, "ws_1", false).status, "offline");
  const after = boardRow(here, undefined, "ws_1", true);
  equal([after.status, after.isLive, after.runningTasks], ["offline", false, 0]);
});

test("includes the current minute once enough of it has passed", () => {
  const points = [60, 120, 300].map((publications, minute) => ({
    at: AT + minute * 60_000,
    workstationsOnline: 0,
    publications,
  }));
  const rates = (seconds: number) => publicationRates(points, AT + 120_000 + seconds * 1_000);
  equal(rates(30), [1, 2, 10]);
  for (const seconds of [-3_600, 0, 9, 66, 3_600]) equal(rates(seconds), [1, 2]);
  equal(publicationRates([], AT), []);
});

test("counts a workstation of two projects once, and shows it in both", () => {
  const project = (id: string) => ({ id, name: id }) as Project;
  const directory = {
    projects: [project("proj_1"), project("proj_2")],
    workstations: new Map([
      ["ws_1", row()],
      ["ws_2", row({ id: "ws_2" })],
      ["ws_3", row({ id: "ws_3", realtimePresenceMeta: { availableAgents: ["aider"] } })],
    ]),
    attached: new Map([
      ["proj_1", ["ws_1", "ws_2"]],
      ["proj_2", ["ws_1"]],
    ]),
  };
  const roster = new Map([["workstation:ws_1", member({ availableAgents: ["cursor"] })]]);
  const rosters = new Map([
    ["proj_1", roster],
    ["proj_2", roster],
  ]);
  const { lines, counts, shown, agents } = overviewOf(directory, rosters, NO_FILTERS);
  equal(
    lines.map(({ key }) => key),
    ["proj_1", "proj_1 ws_1", "proj_1 ws_2", "proj_2", "proj_2 ws_1", "", " ws_3"],
  );
  equal(counts, { online: 1, busy: 0, suspect: 0, offline: 2, suspended: 0 });
  is(shown, 3);
  equal(agents, ["aider", "cursor"]);
  const found = overviewOf(directory, rosters, { ...NO_FILTERS, agent: "cursor", projectId: "proj_2" });
  equal(
    found.lines.map(({ key }) => key),
    ["proj_2", "proj_2 ws_1"],
  );
  equal(found.counts, counts, "counts include workstations hidden by the filters");
});

test("filters by text in name, host and id, by status, and by agent", () => {
  const shown = boardRow(row({ name: "Büro" }), member({ availableAgents: ["cursor"] }), "ws_1");
  for (const [text, expected] of [
    ["büro", true],
    ["ONE.LOCAL", true],
    ["ws_1", true],
    ["two", false],
    ["  ", true],
  ] as const)
    is(isShown(shown, { ...NO_FILTERS, text }), expected, text);
  is(isShown(shown, { ...NO_FILTERS, statuses: new Set(["busy"]) }), false);
  is(isShown(shown, { ...NO_FILTERS, statuses: new Set(["busy", "online"]) }), true);
  is(isShown(shown, { ...NO_FILTERS, agent: "cursor" }), true);
  is(isShown(shown, { ...NO_FILTERS, agent: "aider" }), false);
  equal([isFiltering(NO_FILTERS), isFiltering({ ...NO_FILTERS, agent: "x" })], [false, true]);
});

test("sorts working ones first, then by name in numeric order, and counts hidden ones too", () => {
  const named = (id: string, name: string, status?: object) =>
    boardRow(row({ id, name }), status ? member(status) : undefined, id);
  const rows = [
    named("ws_3", "m 10"),
    named("ws_2", "m 9"),
    named("ws_4", "z", { status: "busy" }),
    named("ws_5", "a", {}),
  ];
  equal(
    [...rows].sort(compareRows).map(({ name }) => name),
    ["z", "a", "m 9", "m 10"],
  );
  const group = groupOf("proj_1", "P", rows, { ...NO_FILTERS, text: "m " });
  equal(group.counts, { online: 1, busy: 1, suspect: 0, offline: 2, suspended: 0 });
  equal(
    linesOf([group]).map(({ key }) => key),
    ["proj_1", "proj_1 ws_2", "proj_1 ws_3"],
  );
});

test("formats the time since a moment in the largest unit that fits", () => {
  for (const [past, expected] of [
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [7_200_000, "2 h"],
    [200_000_000, "2 d"],
    [-5, "0 s"],
  ] as const)
    is(ago(AT - past, AT), expected);
});

test("parses the route of the address, and falls back to the home route", () => {
  equal(parseRoute("#/inspect/task%3Atask_1"), { view: "inspect", argument: "task:task_1" });
  equal(parseRoute("#/inspect/100%"), { view: "inspect", argument: "100%" });
  for (const hash of ["", "#", "#token=x", "#/"]) equal(parseRoute(hash), { view: "workstations", argument: null });
  is(hashOf({ view: "inspect", argument: "a/b" }), "#/inspect/a%2Fb");
});

test.run();
