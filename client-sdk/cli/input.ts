import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { CliFailure, usageFailure } from "./failure.ts";

/** Everything that is piped in; a usage failure where nothing is and somebody would have to type. */
export async function readStdin(what: string): Promise<string> {
  if (process.stdin.isTTY) throw usageFailure(`Pipe ${what} in: there is nothing on stdin.`);
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

/** Lines of stdin, as they come. */
export function stdinLines(): AsyncIterable<string> {
  return createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
}

/** Text as it was typed, from stdin (`-`), or from a file (`@file`). `what` names it in failures. */
export async function textArgument(text: string, what: string): Promise<string> {
  if (text === "-") return readStdin(`the ${what}`);
  return text.startsWith("@") ? fileText(text.slice(1)) : text;
}

/** The same, taken for JSON. */
export async function jsonArgument(text: string, what: string): Promise<unknown> {
  const source = await textArgument(text, what);
  try {
    return JSON.parse(source);
  } catch (error) {
    throw usageFailure(`JSON was expected for the ${what}: ${(error as Error).message}.${quotesHint(text)}`);
  }
}

/** A shell takes quotes away, and people forget that JSON's texts have their own. */
function quotesHint(text: string): string {
  const isWord = /^[^-@{["'\d]/.test(text);
  return isWord ? ` A text has its own quotes: '${JSON.stringify(text)}'.` : "";
}

async function fileText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliFailure(`${file} can't be read (${(error as Error).message}). Check its name.`);
  }
}
