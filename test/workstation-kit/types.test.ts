import {
  createWorkstation,
  type WorkstationOptions,
  type WorkstationTask,
} from "../../client-sdk/workstation/index.ts";
import { suite } from "../support/suite.ts";

const test = suite("types of the workstation kit");
const OPTIONS: WorkstationOptions = { url: "http://localhost:1", token: "wst_x", agents: [], onTask: () => undefined };

/** Compiled, never called: the marked lines must not compile. */
export function wrong(task: WorkstationTask): unknown {
  const workstation = createWorkstation(OPTIONS);
  return [
    // @ts-expect-error an event that does not exist
    () => workstation.on("task", () => undefined),
    // @ts-expect-error an option that does not exist
    () => createWorkstation({ ...OPTIONS, onTasks: () => undefined }),
    // @ts-expect-error a handler returns a result
    () => createWorkstation({ ...OPTIONS, onTask: () => "done" }),
    // @ts-expect-error unknown outcome
    () => task.finish({ status: "done" }),
    // @ts-expect-error a refusal has a reason
    () => task.refuse(),
    // @ts-expect-error percent is a number
    () => task.progress({ percent: "50 %" }),
    // @ts-expect-error a port is a number
    () => Object.assign(workstation, { devServerPort: 1 }).devServerPort.trim(),
    // @ts-expect-error an assignment's fields are readonly
    () => (task.id = "session_1"),
    // @ts-expect-error not every state has an error
    () => workstation.state.error,
  ];
}

/** Compiled, never called: all of these are valid handlers. */
export const right: WorkstationOptions["onTask"][] = [
  () => undefined,
  async () => undefined,
  async () => {},
  async (task) => task.start(),
  () => ({ summary: "done" }),
  async ({ signal }) => (signal.aborted ? { status: "failed", error: "stopped" } : undefined),
];

test("the marked lines do not compile, as checked by the compiler", () => undefined);

test.run();
