import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { is, match, ok } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { at, type Cli, fails, withCli } from "./support/cli.ts";
import { type ForeignHub, withForeignHub } from "./support/foreign-hub.ts";

const test = suite("failures of the command line");

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>) =>
  withHub({}, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

test("a token that the hub does not know ends with 4, at once", () =>
  withBoth(async (_, cli) => {
    const result = await cli.run(["rpc", "projects.list"], { env: { MONSTER_REALTIME_TOKEN: "wst_nobody" } });
    fails(result, 4, "Give another one");
  }));

test("what is not there and what is not allowed end with 5", () =>
  withBoth(async (hub, cli) => {
    const typed: [string[], RegExp | string][] = [
      [["tail", "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"], "You may not read this channel"],
      [["history", "nothing:such"], "Unknown kind of channel"],
      [["publish", hub.taskId, "session:started", "1"], "reserved"],
      [["rpc", "task.get"], /Did you mean tasks\.get/],
    ];
    await Promise.all(typed.map(async ([args, pattern]) => fails(await cli.run(args), 5, pattern)));
  }));

test("names which of several channels was refused", () =>
  withBoth(async (hub, cli) => {
    fails(await cli.run(["tail", hub.taskId, "foo"]), 5, "error: foo: Unknown kind of channel");
  }));

test("params that are wrong show path and message", () =>
  withBoth(async (_, cli) => {
    const wrong = await cli.run(["rpc", "tasks.create", "projectId=1", "titel=x"]);
    is(wrong.code, 2);
    ok(/projectId: /.test(wrong.stderr) && /titel/.test(wrong.stderr), wrong.stderr);
  }));

test("what is not JSON is refused before anything is sent", () =>
  withCli({}, async (cli) => {
    const typed: [string[], number, string][] = [
      [["publish", "task:x", "note", "hello"], 2, `A text has its own quotes: '"hello"'`],
      [["rpc", "tasks.get", "{bad"], 2, "JSON was expected for the params"],
      [["rpc", "tasks.get", "-"], 2, "JSON was expected for the params"],
      [["rpc", "tasks.get", "@/no/such/file"], 1, "/no/such/file can't be read"],
    ];
    await Promise.all(typed.map(async ([args, code, pattern]) => fails(await cli.run(args), code, pattern)));
  }));

test("an address where nothing listens ends with 3 after the time that was given", () =>
  withCli(at("http://127.0.0.1:1", "t"), async (cli) => {
    const begun = performance.now();
    const result = await cli.run(["tail", "task:x", "--timeout", "1500ms"]);
    fails(result, 3, "No connection to http://127.0.0.1:1 within 1.5 s: nothing listens there");
    match(result.stderr, "Trying for 1.5 s");
    ok(performance.now() - begun < 8_000);
  }));

test("a host that does not exist, and a server that is no hub, end with 3 at once", () =>
  withCli({}, async (cli) => {
    const server = createServer((_, response) => response.writeHead(404).end()).listen(0);
    const { port } = server.address() as AddressInfo;
    const call = (url: string) => cli.run(["rpc", "tasks.get"], { env: at(url, "t") });
    const called = ["http://host.invalid", `http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`].map(call);
    const expected = ["there is no such host", "no hub (HTTP 404)", "is it http?"];
    for (const [index, result] of (await Promise.all(called)).entries()) fails(result, 3, expected[index] ?? "");
    server.close();
  }));

test("a hub that speaks another protocol, and one that is older than a method, say which to update", () =>
  withCli({}, async (cli) => {
    const call = (foreign: ForeignHub, code: number, pattern: string) =>
      withForeignHub(foreign, async (url) =>
        fails(await cli.run(["rpc", "tasks.get"], { env: at(url, "t") }), code, pattern),
      );
    await Promise.all([
      call({ refuse: "unsupported_protocol" }, 3, "update the older of the two"),
      call({ protocol: 2 }, 3, "The hub speaks protocol 2"),
      call({ answer: "unknown_method" }, 5, "This hub is older than tasks.get"),
    ]);
  }));

test("a token that has expired ends with 4 and is not tried again", () =>
  withCli({}, (cli) =>
    withForeignHub({ refuse: "token_expired" }, async (url) =>
      fails(await cli.run(["rpc", "tasks.get"], { env: at(url, "t") }), 4, /expired/),
    ),
  ));

test("a hub that does not answer is not waited for longer than was said", () =>
  withCli({}, (cli) =>
    withForeignHub({}, async (url) => {
      const env = at(url, "t");
      fails(await cli.run(["rpc", "tasks.move", "--timeout", "500ms"], { env }), 1, "No answer to rpc within");
      fails(await cli.run(["publish", "task:x", "a", "--timeout", "500ms"], { env }), 1, "Look into the history first");
    }),
  ));

test.run();
