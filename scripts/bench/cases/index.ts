import type { BenchCase } from "../bench-case.ts";
import { abuse } from "./abuse.ts";
import { CLUSTER_CASES } from "./cluster.ts";
import { DISPATCH_CASES } from "./dispatch.ts";
import { fanOut } from "./fan-out.ts";
import { feed, feedFair, feedLatency } from "./feed.ts";
import { joinStorm } from "./join-storm.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { purge } from "./purge.ts";
import { recover } from "./recover.ts";
import { TASKS_CASES } from "./tasks.ts";
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
  ...TASKS_CASES,
  feed,
  feedLatency,
  feedFair,
  purge,
  recover,
  ...DISPATCH_CASES,
  ...CLUSTER_CASES,
  abuse,
];
