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

test("an unknown token exits with 4 immediately", () =>
  withBoth(async (_, cli) => {
    const result = await cli.run(["rpc", "projects.list"], { env: { MONSTER_REALTIME_TOKEN: "wst_nobody" } });
    fails(result, 4, "Pass another one");
  }));

test("not found and forbidden exit with 5", () =>
  withBoth(async (hub, cli) => {
    const typed: [string[], RegExp | string][] = [
      [["tail", "task_01ARZ3NDEKTSV4RRFFQ69G5FAV"], "You may not read this channel"],
      [["history", "nothing:such"], "Unknown kind of channel"],
      [["publish", hub.taskId, "session:started", "1"], "reserved"],
      [["rpc", "task.get"], /Did you mean tasks\.get/],
    ];
    await Promise.all(typed.map(async ([args, pattern]) => fails(await cli.run(args), 5, pattern)));
  }));

test("names the refused one of several channels", () =>
  withBoth(async (hub, cli) => {
    fails(await cli.run(["tail", hub.taskId, "foo"]), 5, "error: foo: Unknown kind of channel");
  }));

test("prints path and message of invalid params", () =>
  withBoth(async (_, cli) => {
    const wrong = await cli.run(["rpc", "tasks.create", "projectId=1", "titel=x"]);
    is(wrong.code, 2);
    ok(/projectId: /.test(wrong.stderr) && /titel/.test(wrong.stderr), wrong.stderr);
  }));

test("rejects invalid JSON before it connects", () =>
  withCli({}, async (cli) => {
    const typed: [string[], number, string][] = [
      [["publish", "task:x", "note", "hello"], 2, `Quote a JSON string: '"hello"'`],
      [["rpc", "tasks.get", "{bad"], 2, "Invalid JSON for the params"],
      [["rpc", "tasks.get", "-"], 2, "Invalid JSON for the params"],
      [["rpc", "tasks.get", "@/no/such/file"], 1, "/no/such/file can't be read"],
    ];
    await Promise.all(typed.map(async ([args, code, pattern]) => fails(await cli.run(args), code, pattern)));
  }));

test("a closed port exits with 3 after the timeout", () =>
  withCli(at("http://127.0.0.1:1", "t"), async (cli) => {
    const begun = performance.now();
    const result = await cli.run(["tail", "task:x", "--timeout", "1500ms"]);
    fails(result, 3, "No connection to http://127.0.0.1:1 within 1.5 s: the connection was refused");
    match(result.stderr, "Trying for 1.5 s");
    ok(performance.now() - begun < 8_000);
  }));

test("an unknown host and a server that is not a hub exit with 3 immediately", () =>
  withCli({}, async (cli) => {
    const server = createServer((_, response) => response.writeHead(404).end()).listen(0);
    const { port } = server.address() as AddressInfo;
    const call = (url: string) => cli.run(["rpc", "tasks.get"], { env: at(url, "t") });
    const called = ["http://host.invalid", `http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`].map(call);
    const expected = ["the host does not exist", "not from a hub (HTTP 404)", "try http://"];
    for (const [index, result] of (await Promise.all(called)).entries()) fails(result, 3, expected[index] ?? "");
    server.close();
  }));

test("reports which side to update for a hub of another protocol, and one without the method", () =>
  withCli({}, async (cli) => {
    const call = (foreign: ForeignHub, code: number, pattern: string) =>
      withForeignHub(foreign, async (url) =>
        fails(await cli.run(["rpc", "tasks.get"], { env: at(url, "t") }), code, pattern),
      );
    await Promise.all([
      call({ refuse: "unsupported_protocol" }, 3, "update the older one"),
      call({ protocol: 2 }, 3, "The hub uses protocol 2"),
      call({ answer: "unknown_method" }, 5, "This hub is older than tasks.get"),
    ]);
  }));

test("an expired token exits with 4 and is not retried", () =>
  withCli({}, (cli) =>
    withForeignHub({ refuse: "token_expired" }, async (url) =>
      fails(await cli.run(["rpc", "tasks.get"], { env: at(url, "t") }), 4, /expired/),
    ),
  ));

test("does not wait for a silent hub longer than the timeout", () =>
  withCli({}, (cli) =>
    withForeignHub({}, async (url) => {
      const env = at(url, "t");
      fails(await cli.run(["rpc", "tasks.move", "--timeout", "500ms"], { env }), 1, "No answer to rpc within");
      fails(
        await cli.run(["publish", "task:x", "a", "--timeout", "500ms"], { env }),
        1,
        "Check the history before you retry",
      );
    }),
  ));

test.run();
