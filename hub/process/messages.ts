import type { Measures } from "../http/metrics.ts";
import type { Development } from "../node/development.ts";
import type { ConnectionOptions } from "../store/database.ts";

/** The address that the processes serve, and the development tokens. */
export interface Announcement {
  url: string;
  development: Development | null;
}

/** The start parameters of a process. */
export interface Start {
  /** Its place among the processes, from 1. A replacement has the number of the process that it replaces. */
  place: number;
  /** The embedded database that the supervisor runs; null: the configuration's. */
  database: ConnectionOptions | null;
}

/** A message from the supervisor to a process. */
export type Order =
  | { kind: "start"; start: Start }
  /** Drain the clients, then end. `handOver`: other processes continue to serve the port. */
  | { kind: "drain"; handOver: boolean }
  /** End the connections, write back what is pending, and end. */
  | { kind: "close" }
  | { kind: "measure" }
  /** The answer to `metrics`: the metrics of all processes. */
  | { kind: "metrics"; text: string };

/** A message from a process to its supervisor. */
export type Report =
  /** It receives orders. */
  | { kind: "loaded" }
  | { kind: "ready"; serving: Announcement }
  /** The answer to `measure`. */
  | { kind: "measured"; measures: Measures }
  /** A request for the metrics of all processes. */
  | { kind: "metrics" };
