import { equal, is } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { at, type Cli, jsonLines, withCli } from "./support/cli.ts";

const test = suite("rpc of the command line");

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>) =>
  withHub({}, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

test("calls methods with JSON, words, files and stdin", () =>
  withBoth(async (hub, cli) => {
    const titleOf = async (params: string[], stdin = "") =>
      JSON.parse((await cli.run(["rpc", "tasks.get", ...params], { stdin })).stdout).title;
    is(await titleOf([JSON.stringify({ id: hub.taskId })]), "Task");
    is(await titleOf([`id=${hub.taskId}`]), "Task");
    is(await titleOf([`id:="${hub.taskId}"`]), "Task");
    is(await titleOf(["-"], JSON.stringify({ id: hub.taskId })), "Task");
  }));

test("runs calls with the same idempotency key once, and prints every page of a list", () =>
  withBoth(async (hub, cli) => {
    const create = ["rpc", "tasks.create", `projectId=${hub.projectId}`, "title=Once", "--idempotency-key", "key-1"];
    const ids = [await cli.run(create), await cli.run(create)].map(({ stdout }) => JSON.parse(stdout).id);
    is(ids[0], ids[1]);
    const list = ["rpc", "tasks.list", `projectId=${hub.projectId}`, "limit:=1", "--all"];
    const titles = jsonLines((await cli.run(list)).stdout).map(({ title }) => title);
    equal(titles.sort(), ["Once", "Task"]);
  }));

test.run();
