import { spawn } from "node:child_process";
import { CLI_COMMAND } from "../../cli/support/cli.ts";

/** The lines that a person saw on the screen, and the command's exit code. */
export interface Seen {
  lines: string[];
  code: number | null;
}

const COLUMNS = 150;
/** Moves the cursor, or clears a line: earlier text on the line is no longer visible. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are terminal escape sequences.
const WIPED = /^[\s\S]*(?:\r|\x1b\[[0-9;?]*[A-Za-z]|\x1b[78])/;

/** Runs a line of a shell as if a person had typed it, with `monster-realtime` as the command line. */
export function typed(line: string, env: Record<string, string>): Promise<Seen> {
  const command = CLI_COMMAND.map((word) => `'${word}'`).join(" ");
  const shell = `stty cols ${COLUMNS} rows 50; monster-realtime() { ${command} "$@"; }; ${line}`;
  const child = spawn("script", ["-qec", shell, "/dev/null"], {
    env: { PATH: process.env.PATH, SHELL: "/bin/bash", TERM: "xterm", NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ lines: output.split(/\r*\n/).map(lastSeen), code }));
  });
}

function lastSeen(line: string): string {
  const [before = ""] = WIPED.exec(line) ?? [];
  return line.slice(before.length).trimEnd();
}
