import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A Lua script: what Redis runs in one step, on keys that share a hash tag. */
export interface Script {
  /** For errors and logs. */
  name: string;
  source: string;
  /** What Redis knows it by. */
  sha1: string;
}

/**
 * Loads `<name>.lua` of a folder, behind the files of `includes`, which hold functions that several scripts share. Redis
 * refuses it before its first command where it may not write, on a replica or where its memory is full: it is carried
 * out to its end or not at all. One that takes hardly any memory may run `whenFull`.
 */
export function loadScript(
  folder: URL,
  name: string,
  includes: readonly string[] = [],
  { whenFull = false }: { whenFull?: boolean } = {},
): Script {
  const texts = [...includes, name].map((file) => readFileSync(new URL(`${file}.lua`, folder), "utf8"));
  const source = [`#!lua${whenFull ? " flags=allow-oom" : ""}`, ...texts].join("\n");
  return { name, source, sha1: createHash("sha1").update(source).digest("hex") };
}
