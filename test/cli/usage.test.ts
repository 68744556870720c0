import { equal, match, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { fails, jsonLines, withCli } from "./support/cli.ts";

const test = suite("usage of the command line");

test("usage that means nothing ends with 2 and says where to read", () =>
  withCli({}, async (cli) => {
    const typed: [string[], RegExp | string][] = [
      [["tial"], "Did you mean tail?"],
      [["tail"], "See `monster-realtime tail --help`"],
      [["tail", "task:x", "--sinse", "1m"], "Did you mean --since?"],
      [["tail", "task:x", "--since", "yesterday"], "--since yesterday means nothing"],
      [["tail", "task:x", "--timeout", "5"], "A duration is a number with its unit"],
      [["tail", "proj_01ARZ3NDEKTSV4RRFFQ69G5FAV"], "A project has two channels"],
      [["publish", "task:x", "a", "1", "--id", "x", "--count", "2"], "An --id names one publication"],
      [["history", "task:x"], "No hub was named"],
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
