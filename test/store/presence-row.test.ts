import { equal, is } from "uvu/assert";
import { joinSteps, MAX_STEPS, type PresenceStep } from "../../hub/store/presence-backlog.ts";
import { isNewer, kindOf, plainAddress } from "../../hub/store/presence-row.ts";
import { suite } from "../support/suite.ts";

const test = suite("presence rows");

function step(before: PresenceStep["before"], kind: PresenceStep["kind"], revision = 1): PresenceStep {
  return { before, kind, reason: null, node_id: "n", connection_id: "c", generation: 1, revision, at: 0 };
}

const ADDRESSES: [string, string | null][] = [
  ["10.0.0.1", "10.0.0.1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["::FFFF:10.0.0.1", "10.0.0.1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::1", "::1"],
  ["", null],
  ["unix:", null],
  ["10.0.0.1, 10.0.0.2", null],
];

for (const [address, plain] of ADDRESSES) {
  test(`the address ${JSON.stringify(address)} is written as ${plain}`, () => is(plainAddress(address), plain));
}

const KINDS: [Parameters<typeof kindOf>[0], ReturnType<typeof kindOf>][] = [
  [{ state: "live", meta: { status: "online" } }, "online"],
  [{ state: "live", meta: { status: "busy" } }, "online"],
  [{ state: "live", meta: {} }, "online"],
  [{ state: "live", meta: { status: "offline" } }, "offline"],
  [{ state: "suspect", meta: { status: "busy" } }, "suspect"],
  [{ state: "suspect", meta: { status: "offline" } }, "offline"],
  [{ state: "absent", meta: { status: "online" } }, "offline"],
];

for (const [{ state, meta }, kind] of KINDS) {
  test(`a ${state} workstation whose status is ${meta.status} counts as ${kind}`, () =>
    is(kindOf({ state, meta }), kind));
}

test("a state is newer by its generation, or by its revision in the same generation", () => {
  const known = { generation: 2, revision: 5 };
  const newer = (revision: number) => [1, 2, 3].map((generation) => isNewer({ generation, revision }, known));
  equal(newer(4), [false, false, true]);
  equal(newer(5), [false, false, true]);
  equal(newer(6), [false, true, true]);
});

test("steps that are no transition are left out as soon as there is one", () => {
  const same = step("online", "online");
  const lost = step("online", "suspect");
  equal(joinSteps([same], [lost]), [lost]);
  equal(joinSteps([lost], [step("suspect", "suspect")]), [lost]);
});

test("if nothing changed, the last state remains, to be compared with the row", () => {
  const last = step("online", "online", 2);
  equal(joinSteps([step("online", "online", 1)], [last]), [last]);
});

test("steps are bounded, and the newest are kept", () => {
  let steps: readonly PresenceStep[] = [];
  for (let revision = 1; revision <= 100; revision += 1) {
    steps = joinSteps(steps, [
      revision % 2 ? step("offline", "online", revision) : step("online", "offline", revision),
    ]);
  }
  is(steps.length, MAX_STEPS);
  is(steps.at(-1)?.revision, 100);
});

test.run();
