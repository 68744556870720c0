/** A hub that collects its garbage at SIGUSR2, so that its heap contains only live objects. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { COLLECTED } from "./collected.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => {
  collect();
  console.log(COLLECTED);
});

await import("../../hub/main.ts");
