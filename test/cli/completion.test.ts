import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { CLI_COMMAND, type Cli, withCli } from "./support/cli.ts";

const test = suite("completion of the command line");

const completionsOf = async (cli: Cli, ...words: string[]) =>
  (await cli.run(["__complete", "--", ...words])).stdout.split("\n").filter(Boolean);

test("completes commands, subcommands, options, choices, methods and channels", () =>
  withCli({}, async (cli) => {
    const [commands, subcommands, options, global, choices, methods, channels, value] = await Promise.all([
      completionsOf(cli, ""),
      completionsOf(cli, "context", ""),
      completionsOf(cli, "tail", "--s"),
      completionsOf(cli, "context", "list", "--js"),
      completionsOf(cli, "completion", ""),
      completionsOf(cli, "rpc", "tasks.mo"),
      completionsOf(cli, "tail", "task:x", ""),
      completionsOf(cli, "--timeout", "1s", "--json", "hist"),
    ]);
    ok(commands?.includes("tail") && !commands.includes("__complete"));
    equal([subcommands, options], [["add", "list", "remove", "show", "use"], ["--since"]]);
    equal([global, choices], [["--json"], ["bash", "fish", "zsh"]]);
    equal([methods, channels, value], [["tasks.move"], ["project:", "task:", "workstation:"], ["history"]]);
  }));

test("completes the names of contexts, and prints no error if they can't be read", () =>
  withCli({}, async (cli) => {
    await cli.run(["context", "add", "prod", "--url", "http://localhost:1", "--token-stdin"], { stdin: "t" });
    equal(await completionsOf(cli, "context", "use", "p"), ["prod"]);
    equal(await completionsOf(cli, "tail", "--context", ""), ["prod"]);
    chmodSync(join(cli.home, "monster-realtime", "contexts.json"), 0o644);
    const { stdout, stderr, code } = await cli.run(["__complete", "--", "context", "use", ""]);
    equal([stdout, stderr, code], ["", "", 0]);
  }));

/** The candidates of a real bash at the end of `line`. */
async function inBash(cli: Cli, line: string): Promise<string[]> {
  const bin = join(cli.home, "bin");
  mkdirSync(bin, { recursive: true });
  const command = CLI_COMMAND.map((word) => `'${word}'`).join(" ");
  writeFileSync(join(bin, "monster-realtime"), `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
  const script = `
    source <(monster-realtime completion bash)
    COMP_LINE='${line}' COMP_POINT=${line.length} COMP_WORDBREAKS=$' \\t\\n"><=;|&(:'
    _monster_realtime 2>/dev/null
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...cli.env, PATH: `${bin}:${cli.env.PATH}` };
  const { stdout } = spawnSync("bash", ["--norc", "-c", script], { env, encoding: "utf8" });
  return stdout.split("\n").filter(Boolean);
}

test("completes in bash, also after a colon, at which bash splits words", () =>
  withCli({}, async (cli) => {
    equal(await inBash(cli, "monster-realtime publ"), ["publish"]);
    equal(await inBash(cli, "monster-realtime rpc tasks.ass"), ["tasks.assign", "tasks.assignable"]);
    equal(await inBash(cli, "monster-realtime tail wor"), ["workstation:"]);
  }));

const SHELLS = [
  { shell: "bash", add: test },
  { shell: "zsh", add: test.needing("zsh") },
  { shell: "fish", add: test.needing("fish") },
];
for (const { shell, add } of SHELLS) {
  add(`is a script that ${shell} reads without complaint`, () =>
    withCli({}, async (cli) => {
      const { stdout, code } = await cli.run(["completion", shell]);
      is(code, 0);
      match(stdout, "__complete -- ");
      const file = join(cli.home, `completion.${shell}`);
      writeFileSync(file, stdout);
      const { status, stderr } = spawnSync(shell, ["-n", file], { env: cli.env, encoding: "utf8" });
      is(status, 0, stderr);
    }),
  );
}

test.run();
