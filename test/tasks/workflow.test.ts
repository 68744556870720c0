import * as assert from "uvu/assert";
import type { TaskList, TaskMode } from "../../client-sdk/protocol/index.ts";
import { nextState, stepOf, type WorkflowEvent, type WorkflowState } from "../../hub/tasks/workflow.ts";
import { suite } from "../support/suite.ts";

const test = suite("workflow");

const LISTS: readonly TaskList[] = ["todo", "doing", "review", "done", "loop"];
const MODES: readonly TaskMode[] = ["clarify", "plan", "execute", "review", "iterate"];
const EVENTS: readonly WorkflowEvent[] = ["started", "completed", "failed", "gave_up", "approved", "rejected"];
const step = (mode: TaskMode, requireReview = false) => ({ mode, requireReview });
const WORKFLOW = [step("clarify"), step("plan", true), step("execute"), step("review", true)];
const stateWith = (more: Partial<WorkflowState>): WorkflowState => ({
  list: "doing",
  mode: "clarify",
  step: 0,
  loops: false,
  workflow: WORKFLOW,
  ...more,
});
const resultOf = (task: Partial<WorkflowState>, event: WorkflowEvent) => {
  const next = nextState(stateWith(task), event);
  return next && `${next.list} ${next.mode} ${next.step}`;
};

/** The result of a completed session in each mode, and of the review after it: one line per mode. */
const COMPLETED: readonly [TaskMode, number | null, string, string | null, string | null][] = [
  // mode, last step, completed, then approved or rejected
  ["clarify", 0, "doing plan 1", null, null],
  ["plan", 1, "review plan 1", "doing execute 2", "todo iterate 1"],
  ["execute", 2, "doing review 3", null, null],
  ["review", 3, "review review 3", "done review 3", "todo iterate 3"],
  ["iterate", 1, "review iterate 1", "doing execute 2", "todo iterate 1"],
  ["iterate", 3, "review iterate 3", "done iterate 3", "todo iterate 3"],
  // Set by hand to a mode outside of the workflow: a review, then the workflow begins.
  ["iterate", null, "review iterate null", "doing clarify 0", "todo iterate null"],
  // Set by hand to another mode of the workflow: it continues from there.
  ["execute", 0, "doing review 3", null, null],
];

test("goes from mode to mode of the workflow, with its reviews", () => {
  for (const [mode, at, completed, approved, rejected] of COMPLETED) {
    assert.is(resultOf({ mode, step: at }, "completed"), completed, `${mode} ${at}`);
    const after = nextState(stateWith({ mode, step: at }), "completed");
    if (after?.list !== "review") continue;
    assert.is(resultOf(after, "approved"), approved, `${mode} ${at} approved`);
    assert.is(resultOf(after, "rejected"), rejected, `${mode} ${at} rejected`);
  }
});

test("every event in every mode of every list has a result or is not allowed", () => {
  const allowed: Readonly<Record<WorkflowEvent, readonly TaskList[]>> = {
    started: ["todo", "doing", "loop"],
    completed: LISTS,
    failed: LISTS,
    gave_up: LISTS,
    approved: ["review"],
    rejected: ["review"],
  };
  for (const list of LISTS)
    for (const mode of MODES)
      for (const event of EVENTS)
        for (const loops of [true, false]) {
          const next = nextState(stateWith({ list, mode, loops }), event);
          assert.is(next !== null, allowed[event].includes(list), `${list} ${mode} ${event}`);
          if (!next) continue;
          assert.ok(LISTS.includes(next.list) && MODES.includes(next.mode));
          const stays = ["failed", ...(list === "doing" ? [] : ["completed", "gave_up"])].includes(event);
          if (stays) assert.equal([next.list, next.mode], [list, mode], `${list} ${mode} ${event}`);
        }
});

test("is in doing while an agent works on it, and returns to its list when it is given up", () => {
  for (const list of ["todo", "doing", "loop"] as const) assert.is(resultOf({ list }, "started"), "doing clarify 0");
  assert.is(resultOf({}, "failed"), "doing clarify 0");
  assert.is(resultOf({}, "gave_up"), "todo clarify 0");
  assert.is(resultOf({ loops: true }, "gave_up"), "loop clarify 0");
});

test("repeats from its first mode if it loops", () => {
  const last = { mode: "review", step: 3, loops: true } as const;
  assert.is(resultOf({ ...last, list: "review" }, "approved"), "loop clarify 0");
  assert.is(resultOf({ ...last, list: "review" }, "rejected"), "loop iterate 3");
  assert.is(
    resultOf({ loops: true, mode: "execute", step: 0, workflow: [step("execute")] }, "completed"),
    "loop execute 0",
  );
});

test("a task without workflow has only its own mode, followed by a review", () => {
  for (const workflow of [null, []]) {
    assert.is(resultOf({ workflow, mode: "execute", step: null }, "completed"), "review execute null");
    assert.is(resultOf({ workflow, mode: "execute", step: null, list: "review" }, "approved"), "done execute null");
    assert.is(
      resultOf({ workflow, mode: "execute", step: null, list: "review", loops: true }, "approved"),
      "loop execute null",
    );
  }
});

test("a mode that occurs twice runs twice", () => {
  const workflow = [step("plan"), step("execute"), step("plan"), step("execute", true)];
  let task = stateWith({ workflow, mode: "plan", step: null });
  const way: string[] = [];
  for (let session = 0; session < 4; session++) {
    task = { ...task, ...nextState(task, "completed") };
    way.push(`${task.list} ${task.mode} ${task.step}`);
  }
  assert.equal(way, ["doing execute 1", "doing plan 2", "doing execute 3", "review execute 3"]);
});

test("skips no step after a mode outside of the workflow", () => {
  const approved = (task: Partial<WorkflowState>) => {
    const after = nextState(stateWith(task), "completed");
    assert.is(after?.list, "review");
    return resultOf({ ...task, ...after }, "approved");
  };
  // Tasks start in clarify by default.
  const short = [step("plan"), step("execute")];
  assert.is(approved({ workflow: short, mode: "clarify", step: null }), "doing plan 0");
  // Its step was removed from the workflow: it continues with the step at that index, or is done if there is none.
  assert.is(approved({ workflow: [step("clarify"), step("execute")], mode: "plan", step: 1 }), "doing execute 1");
  const taken = { workflow: [step("clarify"), step("execute")], mode: "plan", step: 1, list: "review" } as const;
  const again = { ...taken, ...nextState(stateWith(taken), "rejected"), list: "doing" } as const;
  assert.is(resultOf(again, "completed"), "doing execute 1");
  assert.is(approved({ workflow: short, mode: "review", step: 2 }), "done review 2");
  assert.is(approved({ workflow: short, mode: "review", step: 2, loops: true }), "loop plan 0");
});

test("finds its step again after changes of mode or workflow", () => {
  assert.is(stepOf(stateWith({ mode: "plan", step: 0 })), 1);
  assert.is(stepOf(stateWith({ mode: "plan", step: 7 })), 1);
  assert.is(stepOf(stateWith({ mode: "iterate", step: 7 })), null);
  assert.is(stepOf(stateWith({ mode: "iterate", step: 2 })), 2);
  assert.is(stepOf(stateWith({ mode: "plan", step: 1, workflow: [step("execute")] })), null);
});

test.run();
