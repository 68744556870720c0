/** Prints its own place, and that of a module of the package. */
import { fileURLToPath } from "node:url";
import { taskChannel } from "@monster-realtime/client/protocol";
import { ulid } from "ulid";

console.log(
  JSON.stringify([
    import.meta.dirname,
    import.meta.filename,
    fileURLToPath(import.meta.url),
    taskChannel("task_1"),
    ulid().length,
  ]),
);
