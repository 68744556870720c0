import { readFile } from "node:fs/promises";
import { CliFailure, usageFailure } from "./failure.ts";

/** Everything that is piped in; a usage failure where nothing is and somebody would have to type. */
export async function readStdin(what: string): Promise<string> {
  if (process.stdin.isTTY) throw usageFailure(`Pipe ${what} in: there is nothing on stdin.`);
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

/** JSON as it was typed, from stdin (`-`), or from a file (`@file`). `what` names it in failures. */
export async function jsonArgument(text: string, what: string): Promise<unknown> {
  const source = text === "-" ? await readStdin(what) : text.startsWith("@") ? await fileText(text.slice(1)) : text;
  try {
    return JSON.parse(source);
  } catch (error) {
    const hint = text === "-" || text.startsWith("@") ? "" : ` Text needs its own quotes: '"${text}"'.`;
    throw usageFailure(`The ${what} is not JSON (${(error as Error).message}).${hint}`);
  }
}

async function fileText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliFailure(`${file} can't be read (${(error as Error).message}). Check its name.`);
  }
}
