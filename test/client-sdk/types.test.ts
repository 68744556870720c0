import { readdirSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import {
  createClient,
  projectWorkstationsChannel,
  type Task,
  taskChannel,
  type WorkstationPresenceMeta,
  workstationChannel,
} from "../../client-sdk/index.ts";
import { suite } from "../support/suite.ts";

const test = suite("the SDK's surface");
const client = createClient({ url: "http://127.0.0.1:9", token: "t" });

/** Compiles only if both types are the same. */
type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const same = <One, Other>(_: Same<One, Other>): void => undefined;

test("types the presence meta by the kind of channel", () => {
  const project = client.subscribe(projectWorkstationsChannel("p"), { presence: true });
  type ProjectMeta = NonNullable<typeof project.presence>["members"][number]["meta"];
  same<ProjectMeta, WorkstationPresenceMeta>(true);
  const task = client.subscribe(taskChannel("t"), { presence: true });
  type TaskMeta = NonNullable<typeof task.presence>["members"][number]["meta"];
  same<TaskMeta, Record<string, unknown>>(true);
  assert.equal(project.presence?.members, []);
});

test("types params and results of every method, and rejects unknown channels and methods", () => {
  const getTask = () => client.rpc("tasks.get", { id: "x" });
  same<Awaited<ReturnType<typeof getTask>>, Task>(true);
  // @ts-expect-error a task needs a title
  const withoutTitle = () => client.rpc("tasks.create", { projectId: "p" });
  // @ts-expect-error unknown method
  const unknownMethod = () => client.rpc("tasks.explode", {});
  // @ts-expect-error not a channel
  const unknownChannel = () => client.subscribe("lobby");
  // @ts-expect-error a workstation's meta has a status
  const withoutStatus = () => client.presence(workstationChannel("w")).join({ availableAgents: [] });
  for (const call of [getTask, withoutTitle, unknownMethod, unknownChannel, withoutStatus])
    assert.type(call, "function");
});

/** The rooms of the client itself, which runs in browsers. */
const ROOMS = ["kernel", "connection", "channels", "client"];
const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

test("uses no Node APIs, and imports only itself and socket.io-client", () => {
  const folder = new URL("../../client-sdk/", import.meta.url);
  const inRooms = ROOMS.flatMap((room) => readdirSync(new URL(`${room}/`, folder)).map((file) => `${room}/${file}`));
  const files = ["index.ts", ...inRooms];
  assert.ok(files.length > 10);
  for (const file of files) {
    const text = withoutComments(readFileSync(new URL(file, folder), "utf8"));
    const imported = [...text.matchAll(/from "([^"]+)"/g)].map(([, name]) => name ?? "");
    const foreign = imported.filter((name) => !/^\.{1,2}\//.test(name) && name !== "socket.io-client");
    assert.equal(foreign, [], file);
    assert.not.match(text, /\b(process|Buffer|setImmediate|require)\b[.(]/, file);
  }
});

test.run();
