import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, not, ok } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { jsonLines, withCli } from "./support/cli.ts";

const test = suite("contexts of the command line");
const fileOf = (home: string) => join(home, "monster-realtime", "contexts.json");
const modeOf = (path: string) => statSync(path).mode & 0o777;
const add = (name: string) => ["context", "add", name, "--url", "http://localhost:4000", "--token-stdin"];

test("saves a token from stdin in a file that only its owner may read, and never prints it", () =>
  withCli({}, async (cli) => {
    const added = await cli.run(add("prod"), { stdin: "wst_secret\n" });
    is(added.code, 0);
    equal([modeOf(fileOf(cli.home)), modeOf(join(cli.home, "monster-realtime"))], [0o600, 0o700]);
    is(JSON.parse(readFileSync(fileOf(cli.home), "utf8")).contexts.prod.token, "wst_secret");
    const results = [added, await cli.run(["context", "list"]), await cli.run(["context", "show", "--json"])];
    for (const { stdout, stderr } of results) not.match(stdout + stderr, "wst_secret");
    equal(jsonLines(results[2]?.stdout ?? ""), [
      { context: "prod", url: "http://localhost:4000", token: "workstation token" },
    ]);
  }));

test("lists, uses and removes", () =>
  withCli({}, async (cli) => {
    await cli.run(add("one"), { stdin: "a" });
    await cli.run([...add("two"), "--no-use"], { stdin: "b" });
    is((await cli.run(["context", "list"])).stdout, "*\tone\thttp://localhost:4000\n\ttwo\thttp://localhost:4000\n");
    await cli.run(["context", "use", "two"]);
    await cli.run(["context", "remove", "one"]);
    equal(jsonLines((await cli.run(["context", "list", "--json"])).stdout), [
      { name: "two", url: "http://localhost:4000", current: true },
    ]);
  }));

test("suggests a similar name", () =>
  withCli({}, async (cli) => {
    await cli.run(add("production"), { stdin: "a" });
    const { code, stderr } = await cli.run(["context", "use", "prodction"]);
    is(code, 2);
    match(stderr, "Did you mean production?");
  }));

test("rejects a file that other users can read, and prints the command that fixes it", () =>
  withCli({}, async (cli) => {
    await cli.run(add("prod"), { stdin: "a" });
    chmodSync(fileOf(cli.home), 0o644);
    for (const args of [["context", "list"], add("other"), ["rpc", "projects.list"]]) {
      const { code, stderr } = await cli.run(args, { stdin: "b" });
      is(code, 1, args.join(" "));
      match(stderr, `chmod 600 '${fileOf(cli.home)}'`);
    }
  }));

test("keeps all contexts that are added concurrently", () =>
  withCli({}, async (cli) => {
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => cli.run(add(name), { stdin: "t" })));
    const { stdout } = await cli.run(["context", "list", "--json"]);
    equal(
      jsonLines<{ name: string }>(stdout)
        .map(({ name }) => name)
        .sort(),
      names,
    );
    equal(readdirSync(join(cli.home, "monster-realtime")), ["contexts.json"]);
  }));

test("removes the lock of a killed program", () =>
  withCli({}, async (cli) => {
    const lock = `${fileOf(cli.home)}.lock`;
    mkdirSync(join(cli.home, "monster-realtime"), { mode: 0o700 });
    writeFileSync(lock, JSON.stringify({ pid: spawnSync("true").pid, birth: null }));
    is((await cli.run(add("prod"), { stdin: "a" })).code, 0);
  }));

test("does not change an invalid file", () =>
  withCli({}, async (cli) => {
    mkdirSync(join(cli.home, "monster-realtime"), { mode: 0o700 });
    writeFileSync(fileOf(cli.home), "{", { mode: 0o600 });
    const { code, stderr } = await cli.run(add("prod"), { stdin: "a" });
    is(code, 1);
    match(stderr, "Fix it, or delete it");
    is(readFileSync(fileOf(cli.home), "utf8"), "{");
  }));

test("rejects an invalid name, address and token", () =>
  withCli({}, async (cli) => {
    const typed: [string[], string, RegExp][] = [
      [add("../x"), "t", /is not a valid context name/],
      [["context", "add", "x", "--url", "localhost", "--token-stdin"], "t", /not a URL/],
      [add("x"), "", /No token was given/],
      [add("x"), "two words", /one word/],
      [["context", "add", "x", "--token", "t"], "", /Give --url/],
    ];
    for (const [args, stdin, expected] of typed) {
      const { code, stderr } = await cli.run(args, { stdin });
      is(code, 2, stderr);
      ok(expected.test(stderr), stderr);
    }
  }));

test("sends the token of a context only to the context's address", () =>
  withCli({}, async (cli) => {
    await cli.run(add("prod"), { stdin: "wst_secret" });
    const { code, stderr } = await cli.run(["context", "show", "--url", "http://localhost:4001"]);
    is(code, 4);
    match(stderr, "No token for http://localhost:4001");
    const shown = await cli.run(["context", "show", "--url", "http://localhost:4000/", "--json"]);
    is(jsonLines(shown.stdout)[0]?.token, "workstation token");
  }));

test("trims a token from stdin, a flag, the environment, and a context's file", () =>
  withHub({}, (hub) =>
    withCli({}, async (cli) => {
      const padded = ` ${hub.serviceToken}\r\n`;
      const asks = ["rpc", "projects.list", "{}", "--json"];
      const outcomes = [
        await cli.run([...asks, "--url", hub.url, "--token", padded]),
        await cli.run(asks, { env: { MONSTER_REALTIME_URL: hub.url, MONSTER_REALTIME_TOKEN: padded } }),
        await cli.run(["context", "add", "flag", "--url", hub.url, "--token", padded]),
        await cli.run(["context", "add", "piped", "--url", hub.url, "--token-stdin"], { stdin: padded }),
        await cli.run(asks),
      ];
      const file = fileOf(cli.home);
      const kept = JSON.parse(readFileSync(file, "utf8"));
      equal([kept.contexts.flag.token, kept.contexts.piped.token], [hub.serviceToken, hub.serviceToken]);
      kept.contexts.piped.token = padded;
      writeFileSync(file, JSON.stringify(kept));
      outcomes.push(await cli.run(asks));
      for (const { code, stderr } of outcomes) is(code, 0, stderr);
      const broken = await cli.run([...asks, "--url", hub.url, "--token", "two words"]);
      is(broken.code, 2);
      match(broken.stderr, "without whitespace inside");
      const empty = await cli.run([...asks, "--url", "http://localhost:4001"], {
        env: { MONSTER_REALTIME_TOKEN: " \n" },
      });
      match(empty.stderr, "No token for");
    }),
  ));

test("prefers flags to the environment, and the environment to the current context", () =>
  withCli({}, async (cli) => {
    await cli.run(add("prod"), { stdin: "wst_1" });
    const env = { MONSTER_REALTIME_URL: "http://localhost:4100", MONSTER_REALTIME_TOKEN: "svc_1" };
    const urlOf = async (args: string[], more = {}) =>
      jsonLines((await cli.run(["context", "show", "--json", ...args], { env: more })).stdout)[0]?.url;
    is(await urlOf([], env), "http://localhost:4100");
    is(await urlOf(["--context", "prod"], env), "http://localhost:4000");
    is(await urlOf(["--url", "http://localhost:4200", "--token", "t"], env), "http://localhost:4200");
    is(await urlOf([]), "http://localhost:4000");
  }));

test.run();
