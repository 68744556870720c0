import type { BenchCase } from "../bench-case.ts";
import { fanOut } from "./fan-out.ts";
import { joinStorm } from "./join-storm.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { recover } from "./recover.ts";
import { tasksGet } from "./tasks-get.ts";
import { writeBack } from "./write-back.ts";

/** Every case, in the order in which they run and are printed. */
export const CASES: readonly BenchCase[] = [
  fanOut(10, 5),
  fanOut(50, 15),
  fanOut(1, 0.9),
  latency,
  joinStorm,
  writeBack,
  memory,
  tasksGet,
  recover,
];
