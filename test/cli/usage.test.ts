import { equal, is, match, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { fails, jsonLines, withCli } from "./support/cli.ts";

const test = suite("usage of the command line");

test("invalid usage exits with 2 and refers to the help", () =>
  withCli({}, async (cli) => {
    const typed: [string[], RegExp | string][] = [
      [["tial"], /Did you mean tail\?\) See `monster-realtime --help`/],
      [["tail"], "See `monster-realtime tail --help`"],
      [["tail", "task:x", "--sinse", "1m"], "Did you mean --since?"],
      [["tail", "task:x", "--since", "yesterday"], "--since yesterday is not valid"],
      [["tail", "task:x", "--timeout", "5"], "A duration is a number with its unit"],
      [["tail", "proj_01ARZ3NDEKTSV4RRFFQ69G5FAV"], "A project has two channels"],
      [["publish", "task:x", "a", "1", "--id", "x", "--count", "2"], "it identifies one publication"],
      [["history", "task:x"], "No hub is configured"],
      [["context"], "monster-realtime context --help"],
      [["completion", "tcsh"], /Allowed choices are bash, zsh, fish/],
    ];
    const results = await Promise.all(typed.map(([args]) => cli.run(args)));
    for (const [index, result] of results.entries()) fails(result, 2, typed[index]?.[1] ?? "");
  }));

test("with --json a failure is JSON on stderr", () =>
  withCli({}, async (cli) => {
    const { stderr, code } = await cli.run(["history", "task:x", "--json"]);
    const [line] = jsonLines<{ error: { code: string; exitCode: number } }>(stderr);
    equal([code, line?.error.code, line?.error.exitCode], [2, "usage", 2]);
  }));

test("colors messages, unless colors are disabled", () =>
  withCli({ FORCE_COLOR: "1" }, async (cli) => {
    const stderrOf = async (more: string[], env = {}) =>
      (await cli.run(["history", "task:x", ...more], { env })).stderr;
    const outputs = await Promise.all([stderrOf([]), stderrOf([], { NO_COLOR: "1" }), stderrOf(["--no-color"])]);
    equal(
      outputs.map((text) => text.includes("\u001b[31m")),
      [true, false, false],
    );
  }));

test("--quiet suppresses messages, but not failures", () =>
  withCli({}, async (cli) => {
    const add = ["context", "add", "x", "--url", "http://127.0.0.1:1", "--token", "t", "--quiet"];
    is((await cli.run(add)).stderr, "");
    const { stderr } = await cli.run(["history", "task:x", "--quiet", "--timeout", "200ms"]);
    match(stderr, /^error: No connection [^\n]+\n$/);
  }));

test("every command has help with examples on stdout", () =>
  withCli({}, async (cli) => {
    const { stdout } = await cli.run(["--help"]);
    match(stdout, "Exit codes:");
    const names = [...stdout.matchAll(/^ {2}([a-z][a-z-]+) .*/gm)].map(([, name = ""]) => name);
    const commands = names.filter((name) => name !== "help");
    ok(commands.includes("tail") && commands.includes("completion"), stdout);
    const helps = await Promise.all(commands.map((name) => cli.run([name, "--help"])));
    for (const help of helps) {
      equal([help.code, help.stderr], [0, ""]);
      match(help.stdout, "Examples:\n  monster-realtime ");
    }
  }));

test.run();
