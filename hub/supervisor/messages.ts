import type { Development } from "../development.ts";
import type { Measures } from "../http/metrics.ts";
import type { ConnectionOptions } from "../store/postgres.ts";

/** Where the port is served, and what there is to try it with. */
export interface Serving {
  url: string;
  development: Development | null;
}

/** What a process is started with. */
export interface Start {
  /** Its place among the processes, from 1. A process that takes another's place has its number. */
  place: number;
  /** The embedded database, which the supervisor runs; null: the configuration's. */
  database: ConnectionOptions | null;
}

/** What the supervisor tells a process. */
export type Order =
  | { kind: "start"; start: Start }
  /** Its clients are to be sent away, after which it ends. `handOver`: others go on serving the port. */
  | { kind: "drain"; handOver: boolean }
  | { kind: "measure" }
  /** The answer to `metrics`: those of all processes. */
  | { kind: "metrics"; text: string };

/** What a process tells its supervisor. */
export type Report =
  /** It listens to orders. */
  | { kind: "loaded" }
  | { kind: "ready"; serving: Serving }
  /** The answer to `measure`. */
  | { kind: "measured"; measures: Measures }
  /** Somebody asks this process for the metrics of all. */
  | { kind: "metrics" };
