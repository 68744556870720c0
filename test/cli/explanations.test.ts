import type { WorkstationTransition } from "@monster-realtime/client/protocol";
import picocolors from "picocolors";
import { equal, is, match, throws } from "uvu/assert";
import { parseTime } from "../../client-sdk/cli/format/times.ts";
import { type Trace, traceTree } from "../../client-sdk/cli/trace/tree.ts";
import { explain } from "../../client-sdk/cli/why-offline/explanation.ts";
import { suite } from "../support/suite.ts";

const test = suite("explanations of the command line");

/** Local noon. */
const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime();
const MINUTE = 60_000;

const step = (minutes: number, kind: string, reason: string | null = null): WorkstationTransition => ({
  at: new Date(NOON + minutes * MINUTE).toISOString(),
  kind,
  before: null,
  reason,
  nodeId: "n1",
  connectionId: kind === "online" ? `c${minutes}` : null,
  revision: minutes + 1_000,
});

const explained = (transitions: WorkstationTransition[], atMinutes = 0, status = "offline") =>
  explain({
    workstation: { id: "ws_1", name: "atlas", status },
    transitions,
    atMs: NOON + atMinutes * MINUTE,
    askedAt: atMinutes === 0 ? null : "then",
    nowMs: NOON,
  });

test("why-offline reports the time, the reason, the node, and the last connection", () => {
  const { sentence, remedy, state, reason, connectionId } = explained([
    step(-5, "offline", "timeout"),
    step(-6, "suspect"),
    step(-66, "online"),
  ]);
  is(
    sentence,
    "atlas (ws_1) is offline since 11:55:00, for 5m now, because its connection was lost and it did not reconnect " +
      "within the grace period, reported by n1; it was last on connection c-66 on n1, since 10:54:00.",
  );
  match(remedy ?? "", "the machine slept");
  equal([state, reason, connectionId], ["offline", "timeout", "c-66"]);
});

test("why-offline explains a past moment, with the transitions before and after it", () => {
  const story = [
    step(-1, "online"),
    step(-10, "offline", "node_lost"),
    step(-30, "online"),
    step(-1_500, "offline", "left"),
  ];
  const then = explained(story, -5);
  match(
    then.sentence,
    /was offline since 11:50:00 until 11:59:00 \(9m\), because its node was lost and it did not reconnect/,
  );
  is(then.remedy, null);
  equal(
    then.around.map(({ kind }) => kind),
    ["offline", "online", "offline", "online"],
  );
  match(explained(story, -100).sentence, /was offline since 2026-01-30 11:00:00 until 11:30:00/);
  match(explained(story, -2_000).sentence, /The state of atlas \(ws_1\) at 2026-01-30 .* is unknown/);
});

test("why-offline has a sentence and a remedy for each reason", () => {
  const now = (kind: string, reason: string | null = null, status = "offline") =>
    explained([step(-1, kind, reason)], 0, status);
  match(now("online").sentence, "is online since 11:59:00, for 1m now, on connection c-1 on n1");
  is(now("online").remedy, null);
  match(now("suspect").sentence, "is unreachable since 11:59:00");
  match(now("offline", "left").remedy ?? "", "Start its agent again");
  match(now("offline").sentence, "its agent reported the status offline");
  match(now("offline", "something_new").sentence, 'because of "something_new"');
  match(now("offline", "revoked", "suspended").remedy ?? "", "workstations.resume id=ws_1");
  is(explained([]).state, "unknown");
});

test("parses times as people write them", () => {
  is(parseTime("10m", NOON), NOON - 10 * MINUTE);
  is(parseTime("11:30", NOON), NOON - 30 * MINUTE);
  is(parseTime("12:00:01", NOON), NOON - 86_400_000 + 1_000);
  is(parseTime("2026-01-31T12:00:00Z", NOON), Date.UTC(2026, 0, 31, 12));
  for (const wrong of ["25:00", "noon", "5", "11:60"]) throws(() => parseTime(wrong, NOON), /is not a time/);
});

test("a trace is a tree by node with aligned deliveries, and reports missing data", () => {
  const principal = { kind: "user", id: "user_1" };
  const trace: Trace = {
    id: "id-1",
    channel: "task:x",
    epoch: "e",
    offset: 7,
    type: "note\x1b[31m",
    at: NOON,
    from: { userId: "user_1" },
    ephemeral: false,
    publishedOn: "n1",
    publishedBy: principal,
    deliveries: [
      { nodeId: "n1", connectionId: "a", principal, client: "agent/1", at: NOON + 2, how: "live" },
      { nodeId: "n1", connectionId: "b", principal, client: null, at: NOON + 1_500, how: "recovered" },
      { nodeId: "n2", connectionId: "c", principal, client: null, at: null, how: "live" },
    ],
    truncated: true,
    incomplete: true,
    silentNodes: 1,
  };
  equal(traceTree(trace, picocolors.createColors(false)).split("\n"), [
    "note\\x1b[31m on task:x  id-1",
    "├─ published 12:00:00.000 by user:user_1",
    "│  ├─ on n1",
    "│  └─ offset 7 in epoch e",
    "└─ delivered to 3 connections (2 live, 1 recovered)",
    "   ├─ n1",
    "   │  ├─    +2 ms  live       user:user_1  agent/1  a",
    "   │  └─ +1500 ms  recovered  user:user_1           b",
    "   └─ n2",
    "      └─ ?  live  user:user_1    c",
    "Not all deliveries are shown: nodes list a limited number and forget old ones.",
    "One node did not answer in time: its data is missing here.",
  ]);
});

test.run();
