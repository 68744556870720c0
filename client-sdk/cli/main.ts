#!/usr/bin/env node
import { run } from "./run.ts";

const exitCode = await run(process.argv.slice(2));
// Pipes are written asynchronously: wait for pending output before the exit.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write("", resolve))),
);
process.exit(exitCode);
