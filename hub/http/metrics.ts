import { getHeapStatistics } from "node:v8";
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import type { RequestOutcome } from "../commands/requests.ts";

/** Numbers that are read during a scrape. */
export interface Gauges {
  serving(): boolean;
  connections(): number;
  transports(): number;
  channels(): number;
  deliveries(): number;
  packets(): number;
  framesDirect(): number;
  framesQueued(): number;
  changesPublished(): number;
  changesRefused(): number;
  feedFailing(): boolean;
  /** The organizations whose changes wait longest, and how many changes are set aside; null: the database does not answer. */
  feed(): Promise<{
    lags: readonly { organizationId: string | null; lagMs: number }[] | null;
    setAside: number | null;
  }>;
  /** Bytes on the database's disk; null while it does not answer. */
  sizes(): Promise<{ database: number; audit: number } | null>;
  tasksGiven(): number;
  auditEventsRemoved(): number;
  backend: { history: HistoryGauges; redisMemory(): { used: number; max: number } | null };
  writeBackPending(): number;
  writeBackStatements(): number;
  /** Rows removed by this node, and the number of deleted rows by state. */
  purges(): { removed: number; marked: { waiting: number; due: number; failed: number } };
}

/** The size of the channels' history (`broker/history-budget.ts`). */
export interface HistoryGauges {
  bytes: number;
  freedBytes: number;
  largest(count: number): { organizationId: string; bytes: number }[];
}

/** Organizations with their own value in `hub_history_organization_bytes`. */
const LARGEST_ORGANIZATIONS = 5;

const SIZES = [
  ["hub_database_bytes", "Size of the database on its disk, in bytes", "database"],
  ["hub_audit_bytes", "Size of the audit trail in it, with its indexes, in bytes", "audit"],
] as const;

/** Metrics by value. */
export type Measures = MetricObjectWithValues<MetricValue<string>>[];

/** The metrics of /metrics. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"request" | "code">;
  readonly #durations: Histogram<"request">;
  readonly #ends: Counter<"reason">;

  constructor() {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: "hub_requests_total",
      help: "Requests answered, by name and code",
      labelNames: ["request", "code"],
      registers,
    });
    this.#durations = new Histogram({
      name: "hub_request_seconds",
      help: "Time from arrival to answer",
      labelNames: ["request"],
      buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.#ends = new Counter({
      name: "hub_connections_ended_total",
      help: "Connections that ended: the code of the hub's error, or how the client or the network ended them",
      labelNames: ["reason"],
      registers,
    });
    collectDefaultMetrics({ register: this.#registry });
  }

  readonly observe = ({ request, code, seconds }: RequestOutcome): void => {
    this.#requests.inc({ request, code });
    this.#durations.observe({ request }, seconds);
  };

  readonly observeEnd = (reason: string): void => {
    this.#ends.inc({ reason: reason.replaceAll(" ", "_") });
  };

  /** Registers gauges. */
  watch(gauges: Gauges): void {
    const serving = () => Number(gauges.serving());
    this.#gauge("hub_serving", "1 while this hub may publish changes and write presence, else 0", serving);
    this.#gauge("hub_connections", "Open connections", gauges.connections);
    this.#gauge("hub_transports", "Open transports, also of clients that are not connected yet", gauges.transports);
    this.#gauge("hub_channels", "Channels with subscribers on this node", gauges.channels);
    this.#gauge("hub_deliveries", "Publications delivered to subscribers since the start", gauges.deliveries);
    this.#gauge("hub_packets", "Packets of publications and presence sent since the start", gauges.packets);
    this.#gauge("hub_frames_direct", "Frames written straight into WebSockets since the start", gauges.framesDirect);
    this.#gauge("hub_frames_queued", "Frames sent through Engine.IO's queue since the start", gauges.framesQueued);
    this.#gauge("hub_changes_published", "Committed changes published since the start", gauges.changesPublished);
    this.#gauge("hub_changes_refused", "Changes set aside by this node since the start", gauges.changesRefused);
    this.#watchFeed(gauges);
    this.#gauge("hub_tasks_given", "Tasks given to agents by this node itself since the start", gauges.tasksGiven);
    this.#gauge(
      "hub_audit_events_removed",
      "Audit events that this node removed since the start (AUDIT_RETENTION_DAYS)",
      gauges.auditEventsRemoved,
    );
    this.#watchHistory(gauges);
    this.#watchSizes(gauges);
    this.#gauge("hub_write_back_pending", "Workstations whose presence waits to be written", gauges.writeBackPending);
    this.#gauge("hub_write_back_statements", "Write-back statements since the start", gauges.writeBackStatements);
    this.#gauge(
      "hub_rows_purged",
      "Rows removed by purges of this node since the start",
      () => gauges.purges().removed,
    );
    this.#gauge(
      "hub_purges_waiting",
      "Deleted rows that can still be restored; 10,000 also stands for more",
      () => gauges.purges().marked.waiting,
    );
    this.#gauge(
      "hub_purges_due",
      "Deleted rows that are to be removed, with what is below them",
      () => gauges.purges().marked.due,
    );
    this.#gauge(
      "hub_purges_failed",
      "Deleted rows whose removal failed at the last try",
      () => gauges.purges().marked.failed,
    );
  }

  #watchHistory({ backend: { history, redisMemory } }: Gauges): void {
    if (redisMemory() !== null) {
      const used = () => redisMemory()?.used ?? 0;
      const max = () => redisMemory()?.max ?? 0;
      this.#gauge("hub_redis_memory_bytes", "Memory that the fullest node of Redis uses, in bytes", used);
      this.#gauge("hub_redis_memory_max_bytes", "Its maxmemory, in bytes; 0 without a limit", max);
    }
    const heapLimit = getHeapStatistics().heap_size_limit;
    this.#gauge("hub_heap_limit_bytes", "The heap at which Node ends this process, in bytes", () => heapLimit);
    this.#gauge("hub_history_bytes", "History that this node published, in bytes", () => history.bytes);
    this.#gauge(
      "hub_history_freed_bytes",
      "History removed early since the start, because the process or an organization was over its budget",
      () => history.freedBytes,
    );
    const ofOrganizations: Gauge<"organization"> = new Gauge({
      name: "hub_history_organization_bytes",
      help: `History of the ${LARGEST_ORGANIZATIONS} organizations that hold most on this node, in bytes`,
      labelNames: ["organization"],
      registers: [this.#registry],
      collect: () => {
        ofOrganizations.reset();
        for (const { organizationId, bytes } of history.largest(LARGEST_ORGANIZATIONS))
          ofOrganizations.set({ organization: organizationId }, bytes);
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The metrics as values, for a text that joins several processes. */
  measures(): Promise<Measures> {
    return this.#registry.getMetricsAsJSON();
  }

  /** Only the organizations that wait longest: label values must not grow with tenants. */
  #watchFeed({ feed, feedFailing }: Gauges): void {
    this.#gauge("hub_feed_failing", "1 while this node can't publish changes, and retries", () =>
      Number(feedFailing()),
    );
    const registers = [this.#registry];
    const help = "Age of the oldest change that waits, of the organizations with the longest";
    const lag: Gauge<"organization"> = new Gauge({
      name: "hub_feed_lag_seconds",
      help,
      labelNames: ["organization"],
      registers,
      async collect() {
        lag.reset();
        for (const { organizationId, lagMs } of (await feed()).lags ?? [])
          lag.set({ organization: organizationId ?? "" }, lagMs / 1_000);
      },
    });
    const setAside: Gauge = new Gauge({
      name: "hub_changes_set_aside",
      help: "Changes that could not be published and were not published again, of all nodes",
      registers,
      async collect() {
        const { setAside: count } = await feed();
        if (count !== null) setAside.set(count);
      },
    });
  }

  #watchSizes({ sizes }: Gauges): void {
    const registers = [this.#registry];
    for (const [name, help, part] of SIZES) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        registers,
        async collect() {
          const found = await sizes();
          if (found) gauge.set(found[part]);
        },
      });
    }
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.#registry], collect: () => gauge.set(read()) });
  }
}
