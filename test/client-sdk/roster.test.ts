import { readFileSync } from "node:fs";
import fc from "fast-check";
import * as assert from "uvu/assert";
import {
  applyDiff,
  applySnapshot,
  EMPTY_ROSTER,
  losePlace,
  type RosterChange,
  type RosterEvent,
  type RosterState,
} from "../../client-sdk/channels/roster.ts";
import type { Member, PresenceDiff, Roster } from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";

const test = suite("roster");

interface Step {
  snapshot?: Roster;
  diff?: PresenceDiff;
  lost?: true;
  expect: { events: string[]; members: Member[]; version: number; epoch: string; inStep: boolean };
}
const { cases } = JSON.parse(readFileSync(new URL("../vectors/roster.json", import.meta.url), "utf8")) as {
  cases: { name: string; steps: Step[] }[];
};

function take(roster: RosterState, step: Step): RosterChange {
  if (step.snapshot) return applySnapshot(roster, step.snapshot);
  if (step.diff) return applyDiff(roster, step.diff);
  return { roster: losePlace(roster), events: [], gap: false };
}

function sentence(event: RosterEvent): string {
  if (event.type === "sync") return "sync";
  return `${event.type} ${event.member.key}${event.type === "leave" ? ` ${event.reason}` : ""}`;
}

for (const { name, steps } of cases) {
  test(name, () => {
    let roster = EMPTY_ROSTER;
    for (const [index, step] of steps.entries()) {
      const change = take(roster, step);
      roster = change.roster;
      const { epoch, version, inStep } = roster;
      const seen = {
        events: change.events.map(sentence),
        members: [...roster.members.values()],
        version,
        epoch,
        inStep,
      };
      assert.equal(seen, step.expect, `step ${index + 1}`);
    }
  });
}

test("keeps the identity of its members over a diff that changes none", () => {
  const { roster } = applySnapshot(EMPTY_ROSTER, { epoch: "e", version: 1, members: [memberOf("a", 1)] });
  const after = applyDiff(roster, { epoch: "e", from: 1, version: 2, joins: [], updates: [], leaves: [] }).roster;
  assert.is(after.members, roster.members);
  assert.is(
    applySnapshot(after, { epoch: "e", version: 2, members: [memberOf("a", 1)] }).roster.members,
    roster.members,
  );
});

interface Change {
  key: string;
  present: boolean;
}
const changesArbitrary = fc.array(fc.record({ key: fc.constantFrom("a", "b", "c", "d"), present: fc.boolean() }), {
  maxLength: 30,
});

test("has the same members for any split into diffs, and any arrival of the snapshot", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 30 });
  fc.assert(
    fc.property(changesArbitrary, cuts, fc.nat(30), fc.nat(30), (changes, sizes, snapshotAt, arrivesAfter) => {
      const truth = worldsOf(changes);
      const whole = truth.at(-1) ?? new Map();
      const diffs = diffsOf(truth, sizes);
      const roster = replay(truth, diffs, snapshotAt, arrivesAfter);
      assert.equal(sorted(roster.members), sorted(whole));
      assert.is(roster.version, truth.length - 1);
    }),
  );
});

test("alternates joins and leaves of a member, for any input", () => {
  const step = fc.record({
    from: fc.nat(6),
    span: fc.integer({ min: 1, max: 2 }),
    isSnapshot: fc.boolean(),
    changes: changesArbitrary,
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const present = new Set<string>();
      let roster = EMPTY_ROSTER;
      for (const { from, span, isSnapshot, changes } of steps) {
        const members = [...(worldsOf(changes).at(-1) ?? new Map<string, Member>()).values()];
        const diff = {
          epoch: "e",
          from,
          version: from + span,
          joins: members,
          updates: [],
          leaves: [{ key: "a", reason: "left" }],
        };
        const change = isSnapshot
          ? applySnapshot(roster, { epoch: "e", version: from, members })
          : applyDiff(roster, diff);
        roster = change.roster;
        for (const event of change.events) follow(present, event);
        assert.equal([...present].sort(), [...roster.members.keys()].sort());
      }
    }),
  );
});

function follow(present: Set<string>, event: RosterEvent): void {
  if (event.type === "sync") return;
  const { key } = event.member;
  assert.is(present.has(key), event.type !== "join", `${event.type} of ${key}`);
  if (event.type === "leave") present.delete(key);
  else present.add(key);
}

function memberOf(key: string, updatedAt: number): Member {
  return { key, memberKey: { userId: key }, meta: {}, connections: 1, state: "live", joinedAt: 0, updatedAt };
}

/** The members after each version. Version 0 has none. */
function worldsOf(changes: Change[]): Map<string, Member>[] {
  const worlds = [new Map<string, Member>()];
  for (const [index, { key, present }] of changes.entries()) {
    const world = new Map(worlds.at(-1));
    if (present) world.set(key, memberOf(key, index + 1));
    else world.delete(key);
    worlds.push(world);
  }
  return worlds;
}

function diffsOf(worlds: Map<string, Member>[], sizes: number[]): PresenceDiff[] {
  const diffs: PresenceDiff[] = [];
  for (let from = 0; from < worlds.length - 1; ) {
    const version = Math.min(worlds.length - 1, from + (sizes[diffs.length] ?? 1));
    diffs.push(netDiff(worlds[from] ?? new Map(), worlds[version] ?? new Map(), from, version));
    from = version;
  }
  return diffs;
}

function netDiff(before: Map<string, Member>, after: Map<string, Member>, from: number, version: number): PresenceDiff {
  const changed = [...after.values()].filter((member) => before.get(member.key)?.updatedAt !== member.updatedAt);
  return {
    epoch: "e",
    from,
    version,
    joins: changed.filter(({ key }) => !before.has(key)),
    updates: changed.filter(({ key }) => before.has(key)),
    leaves: [...before.keys()].filter((key) => !after.has(key)).map((key) => ({ key, reason: "left" })),
  };
}

/** The snapshot is taken at the end of a diff, as the hub flushes before a snapshot, and arrives some diffs later. */
function replay(
  worlds: Map<string, Member>[],
  diffs: PresenceDiff[],
  snapshotAt: number,
  arrivesAfter: number,
): RosterState {
  const boundaries = [0, ...diffs.map(({ version }) => version)];
  const version = boundaries[snapshotAt % boundaries.length] ?? 0;
  const snapshot = { epoch: "e", version, members: [...(worlds[version] ?? new Map<string, Member>()).values()] };
  const early = arrivesAfter % (diffs.length + 1);
  const needed = Math.max(early, boundaries.indexOf(version));
  let roster = EMPTY_ROSTER;
  for (const diff of diffs.slice(0, needed)) roster = applyDiff(roster, diff).roster;
  roster = applySnapshot(roster, snapshot).roster;
  for (const diff of diffs.slice(needed)) roster = applyDiff(roster, diff).roster;
  return roster;
}

const sorted = (members: ReadonlyMap<string, Member>): Member[] =>
  [...members.values()].sort((one, other) => one.key.localeCompare(other.key));

test.run();
