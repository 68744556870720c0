import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import type { RequestOutcome } from "../requests.ts";

/** Numbers that are read at the time of a scrape. */
export interface Gauges {
  connections(): number;
  channels(): number;
  deliveries(): number;
  packets(): number;
  changesPublished(): number;
  tasksGiven(): number;
  writeBackPending(): number;
  writeBackStatements(): number;
}

/** Metrics by value. */
export type Measures = MetricObjectWithValues<MetricValue<string>>[];

/** What Prometheus reads at /metrics. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"request" | "code">;
  readonly #durations: Histogram<"request">;

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
    collectDefaultMetrics({ register: this.#registry });
  }

  readonly observe = ({ request, code, seconds }: RequestOutcome): void => {
    this.#requests.inc({ request, code });
    this.#durations.observe({ request }, seconds);
  };

  /** Registers what is measured elsewhere. */
  watch(gauges: Gauges): void {
    this.#gauge("hub_connections", "Open connections", gauges.connections);
    this.#gauge("hub_channels", "Channels with subscribers on this node", gauges.channels);
    this.#gauge("hub_deliveries", "Publications handed to subscribers since the start", gauges.deliveries);
    this.#gauge("hub_packets", "Packets of publications and presence sent since the start", gauges.packets);
    this.#gauge("hub_changes_published", "Committed changes published since the start", gauges.changesPublished);
    this.#gauge("hub_tasks_given", "Tasks given to agents by this node itself since the start", gauges.tasksGiven);
    this.#gauge("hub_write_back_pending", "Workstations whose presence waits to be written", gauges.writeBackPending);
    this.#gauge("hub_write_back_statements", "Write-back statements since the start", gauges.writeBackStatements);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The same by value, to be joined with other processes'. */
  measures(): Promise<Measures> {
    return this.#registry.getMetricsAsJSON();
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.#registry], collect: () => gauge.set(read()) });
  }
}
