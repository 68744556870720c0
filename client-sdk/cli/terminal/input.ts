import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { CliFailure, usageFailure } from "../kernel/failure.ts";

/** Reads all of stdin. A usage failure if stdin is a terminal. */
export async function readStdin(subject: string): Promise<string> {
  if (process.stdin.isTTY) throw usageFailure(`stdin is a terminal. Pipe ${subject} in.`);
  process.stdin.setEncoding("utf8");
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  return text;
}

/** The lines of stdin, as they arrive. */
export function stdinLines(): AsyncIterable<string> {
  return createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
}

/** Reads text as typed, from stdin (`-`), or from a file (`@file`). `subject` names it in failures. */
export async function textArgument(text: string, subject: string): Promise<string> {
  if (text === "-") return readStdin(`the ${subject}`);
  return text.startsWith("@") ? fileText(text.slice(1)) : text;
}

/** Reads text like `textArgument` and parses it as JSON. */
export async function jsonArgument(text: string, subject: string): Promise<unknown> {
  const source = await textArgument(text, subject);
  try {
    return JSON.parse(source);
  } catch (error) {
    throw usageFailure(`Invalid JSON for the ${subject}: ${(error as Error).message}.${quotesHint(text)}`);
  }
}

/** Explains missing quotes: the shell removes them, but JSON strings need them. */
function quotesHint(text: string): string {
  const isWord = /^[^-@{["'\d]/.test(text);
  return isWord ? ` Quote a JSON string: '${JSON.stringify(text)}'.` : "";
}

async function fileText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new CliFailure(`${file} can't be read (${(error as Error).message}). Check its name.`);
  }
}
