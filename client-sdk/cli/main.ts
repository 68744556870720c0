#!/usr/bin/env node
import { run } from "./run.ts";

const exitCode = await run(process.argv.slice(2));
// Programs read through sockets, which take their time; what is still on its way would be lost.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write("", resolve))),
);
process.exit(exitCode);
