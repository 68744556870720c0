import fc from "fast-check";
import * as assert from "uvu/assert";
import { type FreeAgent, match, type WaitingTask } from "../../hub/tasks/matching.ts";
import { suite } from "../support/suite.ts";

const test = suite("matching");

const task = (id: string, more: Partial<WaitingTask> = {}): WaitingTask => ({
  id,
  repositoryId: null,
  allowed: null,
  avoided: new Set(),
  ...more,
});
const agent = (id: string, more: Partial<FreeAgent> = {}): FreeAgent => ({
  id,
  room: 1,
  priority: 100,
  pushedAtMs: null,
  ...more,
});
const matched = (tasks: WaitingTask[], agents: FreeAgent[], room: Record<string, number> = {}) =>
  match(tasks, agents, new Map(Object.entries(room))).map(({ taskId, agentId }) => `${taskId}→${agentId}`);

test("the task's own priorities come before the project's, and those before the longest wait", () => {
  const agents = [agent("a", { priority: 1 }), agent("b", { priority: 2 }), agent("c", { priority: 2, pushedAtMs: 5 })];
  assert.equal(matched([task("1")], agents), ["1→a"]);
  assert.equal(
    matched(
      [
        task("1", {
          allowed: new Map([
            ["a", 9],
            ["c", 3],
          ]),
        }),
      ],
      agents,
    ),
    ["1→c"],
  );
  assert.equal(matched([task("1"), task("2"), task("3"), task("4")], agents), ["1→a", "2→b", "3→c"]);
});

test("alternates among equal agents, those without an assignment first", () => {
  const agents = [
    agent("a", { room: 2, pushedAtMs: 7 }),
    agent("b", { room: 2, pushedAtMs: 3 }),
    agent("c", { room: 2 }),
  ];
  assert.equal(
    matched(
      ["1", "2", "3", "4", "5", "6"].map((id) => task(id)),
      agents,
    ),
    ["1→c", "2→b", "3→a", "4→c", "5→b", "6→a"],
  );
});

test("skips agents that refused recently, and full repositories", () => {
  assert.equal(matched([task("1", { avoided: new Set(["a"]) }), task("2")], [agent("a"), agent("b")]), ["1→b", "2→a"]);
  const tasks = ["1", "2", "3"].map((id) => task(id, { repositoryId: id === "3" ? "other" : "r" }));
  assert.equal(matched(tasks, [agent("a", { room: 9 })], { r: 1 }), ["1→a", "3→a"]);
});

test("never assigns a task twice, exceeds an agent's or a repository's limit, or passes over a task that its agent could take", () => {
  const ids = fc.constantFrom("a", "b", "c");
  const tasks = fc.array(
    fc.record({
      repositoryId: fc.constantFrom("r", "s", null),
      allowed: fc.option(
        fc.uniqueArray(ids, { minLength: 1 }).map((names) => new Map(names.map((name, n) => [name, n]))),
      ),
      avoided: fc.uniqueArray(ids).map((names) => new Set(names)),
    }),
    { maxLength: 8 },
  );
  const rooms = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3));
  fc.assert(
    fc.property(tasks, rooms, fc.nat(3), (details, [a, b, c], r) => {
      const waiting = details.map((detail, n) => task(`${n}`, detail));
      const room = new Map([
        ["a", a],
        ["b", b],
        ["c", c],
      ]);
      const agents = [...room].map(([id, left]) => agent(id, { room: left }));
      const matches = match(waiting, agents, new Map([["r", r]]));
      const of = new Map(matches.map(({ taskId, agentId }) => [taskId, agentId]));
      assert.is(of.size, matches.length);
      let repository = r;
      for (const one of waiting) {
        const agentId = of.get(one.id);
        const open = [...room].filter(
          ([id, left]) => left > 0 && !one.avoided.has(id) && (one.allowed?.has(id) ?? true),
        );
        const mayRun = one.repositoryId !== "r" || repository > 0;
        assert.is(agentId !== undefined, open.length > 0 && mayRun, one.id);
        if (agentId === undefined) continue;
        assert.ok(open.some(([id]) => id === agentId));
        room.set(agentId, (room.get(agentId) ?? 0) - 1);
        if (one.repositoryId === "r") repository -= 1;
      }
    }),
  );
});

test.run();
