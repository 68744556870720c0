/**
 * A supervisor of tiny hubs, as a program: their responses show which of them answers, and requests make it misbehave. The file
 * FAULT lists the places whose processes fail at their start.
 */
import cluster from "node:cluster";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Gauge, Registry } from "prom-client";
import { createLogger } from "../../hub/kernel/log.ts";
import { obeySignals } from "../../hub/process/signals.ts";
import { Supervisor } from "../../hub/process/supervisor.ts";
import { runWorker, type WorkerOptions } from "../../hub/process/worker.ts";

const { FAULT = "", PROCESSES = "2", DRAIN_MS = "5000", SLACK_MS = "5000" } = process.env;
const times = { drainMs: Number(DRAIN_MS), slackMs: Number(SLACK_MS) };
const log = createLogger("info");

const serve: WorkerOptions["serve"] = async ({ place }, metrics) => {
  if (existsSync(FAULT) && readFileSync(FAULT, "utf8").includes(String(place))) throw new Error("FAULT is there");
  const registry = new Registry();
  new Gauge({ name: "tiny_place", help: "Its own place", registers: [registry] }).set(place);
  const held = new Set<ServerResponse>();
  let hangs = false;
  const server = createServer(async ({ url }, response) => {
    response.setHeader("connection", "close");
    if (url === "/hold") return void held.add(response);
    if (url === "/hang") hangs = true;
    if (url === "/crash") response.on("finish", () => process.exit(3));
    response.end(url === "/metrics" ? await metrics() : String(process.pid));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    serving: { url: `http://127.0.0.1:${port}`, development: null },
    ready: async () => undefined,
    lost: new Promise<string>(() => undefined),
    close: async () => undefined,
    measure: () => registry.getMetricsAsJSON(),
    async drain({ handOver }) {
      const closed = handOver ? new Promise((resolve) => server.close(resolve)) : null;
      await Promise.all([...held].map((response) => new Promise<void>((sent) => response.end("goodbye", sent))));
      if (hangs) await new Promise(() => undefined);
      await closed;
    },
  };
};

if (cluster.isPrimary) {
  const supervisor = new Supervisor({
    processes: Number(PROCESSES),
    ...times,
    database: null,
    log,
    onServing: ({ url }) => console.log(`Monster Realtime serves ${url}`),
  });
  obeySignals(supervisor, log);
  process.exit(await supervisor.run());
} else {
  runWorker({ serve, ...times, log }).catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
}
