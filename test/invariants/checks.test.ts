import { equal, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { unsettled, violationsOf } from "./checks.ts";
import type { Published, RunLog, Seen, SubscriberLog } from "./log.ts";

const test = suite("the checks of a run");

const CHANNEL = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const EPOCH = "e1";

function subscriber(name: string, seen: Seen[]): SubscriberLog {
  return { name, organization: "o", channel: CHANNEL, seen, roster: [] };
}

function published(offset: number): Published {
  const answer = { epoch: EPOCH, offset, duplicate: false, at: 0 };
  const about = { publisher: "p", organization: "o", channel: CHANNEL };
  return { ...about, id: `m${offset}`, body: `o m${offset}`, ephemeral: false, turn: offset, answer };
}

function got(offset: number): Seen {
  const content = { id: `m${offset}`, type: "note", body: `o m${offset}`, ephemeral: false };
  return { kind: "publication", epoch: EPOCH, offset, ...content, at: 0 };
}

const begin = (offset: number): Seen => ({ kind: "start", epoch: EPOCH, offset, at: 0 });

function logOf(parts: Partial<RunLog>): RunLog {
  const final: RunLog["final"] = {
    meant: new Map(),
    clients: new Map(),
    rosters: [],
    rows: new Map(),
    workstations: [],
    last: new Map(),
    leftover: { connections: 0, channels: 0 },
  };
  return { subscribers: [], published: [], requests: [], revoked: [], rows: [], streamsLost: [], final, ...parts };
}

test("an acknowledged publication that was skipped is missing, unless a loss was reported", () => {
  const skipped = subscriber("skipped", [begin(0), got(1), got(3)]);
  const lost = subscriber("lost", [
    begin(0),
    got(1),
    { ...begin(2), lost: { epoch: "e0", offset: 1 } } as Seen,
    got(3),
  ]);
  const late = subscriber("late", [begin(2), got(3)]);
  const log = logOf({ subscribers: [skipped, lost, late], published: [1, 2, 3].map(published) });
  equal(violationsOf(log), [
    `1: skipped on ${CHANNEL} got e1/3 after e1/1`,
    `3: skipped on ${CHANNEL} never got m2, which was acknowledged`,
  ]);
});

test("an outdated roster of a disconnected subscriber agrees with nothing", () => {
  const known = { subscriber: "s", organization: "o", keys: ["workstation:w"] };
  const meant = { meant: new Map([["w", true]]), rows: new Map([["w", "online"]]) };
  const { final } = logOf({});
  const at = (current: boolean) => {
    const rosters = [{ ...known, current }];
    return logOf({ final: { ...final, ...meant, rosters, workstations: [{ id: "w", organization: "o" }] } });
  };
  equal(unsettled(at(true)), []);
  equal(unsettled(at(false)), ["10: s is disconnected, with an outdated roster"]);
});

test("a subscriber without the last publication is not settled", () => {
  const { final } = logOf({});
  const last = new Map([[CHANNEL, { epoch: EPOCH, offset: 2 }]]);
  const subscribers = [subscriber("there", [begin(0), got(1), got(2)]), subscriber("behind", [begin(0), got(1)])];
  equal(unsettled(logOf({ subscribers, final: { ...final, last } })), [
    `3: behind on ${CHANNEL} did not reach e1/2, only e1/1 (publication)`,
  ]);
});

test("checking a run takes time in proportion to its length: the clients run in the same process", () => {
  const offsets = Array.from({ length: 50_000 }, (_, index) => index + 1);
  const seen = [begin(0), ...offsets.map(got)];
  const subscribers = ["a", "b", "c", "d"].map((name) => subscriber(name, seen));
  const startedAt = performance.now();
  equal(violationsOf(logOf({ subscribers, published: offsets.map(published) })), []);
  const tookMs = performance.now() - startedAt;
  ok(tookMs < 8_000, `${Math.round(tookMs)} ms`);
});

test.run();
