import type { Workstation } from "@monster-realtime/client";
import { equal, is } from "uvu/assert";
import { hashOf, parseRoute } from "../../hub/console/shell/route.ts";
import { ago } from "../../hub/console/shell/times.ts";
import {
  boardRow,
  compareRows,
  groupOf,
  isFiltering,
  isShown,
  linesOf,
  NO_FILTERS,
  type WorkstationMember,
} from "../../hub/console/workstations/rows.ts";
import { suite } from "../support/suite.ts";

const test = suite("the console's board of workstations");
const AT = Date.parse("2026-01-02T03:04:05.000Z");

const row = (more: Partial<Workstation> = {}) =>
  ({ id: "ws_1", name: "One", hostname: "one.local", status: "offline", lastSeenAt: null, ...more }) as Workstation;
const member = (meta: object = {}, state: "live" | "suspect" = "live") =>
  ({ key: "workstation:ws_1", state, updatedAt: AT, meta: { status: "online", ...meta } }) as WorkstationMember;

for (const [status, of] of Object.entries({
  offline: boardRow(row(), undefined, "ws_1"),
  online: boardRow(row(), member(), "ws_1"),
  busy: boardRow(row(), member({ status: "busy" }), "ws_1"),
  suspect: boardRow(row(), member({ status: "busy" }, "suspect"), "ws_1"),
  suspended: boardRow(row({ status: "suspended" }), member(), "ws_1"),
})) {
  test(`tells ${status} by row and presence`, () => is(of.status, status));
}

test("takes what a workstation says of itself for no more than it is", () => {
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

test("names a workstation whose row is not read yet by its id", () => {
  const { name, status, since } = boardRow(undefined, member(), "ws_1");
  equal([name, status, since], ["ws_1", "online", AT]);
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

test("shows those at work first, then by name as people count, and counts those that are filtered away too", () => {
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

test("says how long ago in the largest unit that fits", () => {
  for (const [past, said] of [
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [7_200_000, "2 h"],
    [200_000_000, "2 d"],
    [-5, "0 s"],
  ] as const)
    is(ago(AT - past, AT), said);
});

test("finds its way by the address, and home where there is none", () => {
  equal(parseRoute("#/inspect/task%3Atask_1"), { view: "inspect", argument: "task:task_1" });
  equal(parseRoute("#/inspect/100%"), { view: "inspect", argument: "100%" });
  for (const hash of ["", "#", "#token=x", "#/"]) equal(parseRoute(hash), { view: "workstations", argument: null });
  is(hashOf({ view: "inspect", argument: "a/b" }), "#/inspect/a%2Fb");
});

test.run();
