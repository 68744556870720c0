import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A Lua script, which Redis runs atomically, on keys that share a hash tag. */
export interface Script {
  /** For errors and logs. */
  name: string;
  source: string;
  /** The script's id in Redis. */
  sha1: string;
}

/**
 * Loads `<name>.lua` of a folder, after the files of `includes`, which hold shared functions. Redis rejects it before its
 * first command if it may not write, on a replica or with full memory: it runs completely or not at all. A script that
 * allocates hardly any memory may run `whenFull`.
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
