import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Measures } from "../http/metrics.ts";

const OWN = "supervisor";

/**
 * The metrics of all processes as one text, with the process as a label. They are not summed: the counters of a restarted
 * process begin at zero, which Prometheus detects only in a separate series.
 */
export class SupervisorMetrics {
  readonly #registry = new Registry();
  readonly #own = new Registry();
  readonly #crashes: Counter;

  constructor(serving: () => number) {
    const registers = [this.#registry];
    const processes: Gauge = new Gauge({
      name: "hub_processes_serving",
      help: "Hub processes that are ready",
      registers,
      collect: () => processes.set(serving()),
    });
    this.#crashes = new Counter({
      name: "hub_process_crashes_total",
      help: "Hub processes that ended unexpectedly",
      registers,
    });
    collectDefaultMetrics({ register: this.#own });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  crashed(): void {
    this.#crashes.inc();
  }

  async text(processes: { name: string; measures: Measures }[]): Promise<string> {
    const own = { name: OWN, measures: await this.#own.getMetricsAsJSON() };
    const labelled = [...processes, own].map(({ name, measures }) => labelledBy(name, measures));
    return AggregatorRegistry.aggregate([await this.#registry.getMetricsAsJSON(), ...labelled]).metrics();
  }
}

/** With the label no two values share a series, so no aggregation has an effect. */
function labelledBy(name: string, measures: Measures): Measures {
  return measures.map((metric) => ({
    ...metric,
    aggregator: "sum",
    values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, process: name } })),
  }));
}
