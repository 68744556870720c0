import type { ConfigReader } from "./reader.ts";
import type { Numbers } from "./settings.ts";
import { readHost } from "./values.ts";

/** Where `/metrics` is served, and who may read it. */
export interface MetricsConfig {
  /** A separate address; null: the hub's. */
  readonly address: { readonly host: string; readonly port: number } | null;
  /** The Bearer token that a scrape must send; null: none. */
  readonly token: string | null;
}

const LOOPBACK = "127.0.0.1";
const TOKEN = /^[\x21-\x7e]{16,512}$/;

/** The token is never part of a message. */
export function readMetrics(reader: ConfigReader, { METRICS_PORT: port, PORT }: Numbers): MetricsConfig {
  const host = readHost(reader, "METRICS_HOST");
  if (host !== null && port === 0) {
    reader.fault("METRICS_HOST", "is set, but METRICS_PORT is not", "Set METRICS_PORT to a port other than PORT");
  }
  if (port !== 0 && port === PORT) {
    reader.fault("METRICS_PORT", `${port} is PORT, the hub's own`, "Set another port, or unset METRICS_PORT");
  }
  const token = reader.text("METRICS_TOKEN") ?? null;
  if (token !== null && !TOKEN.test(token)) {
    const remedy = "Set a random token, such as the output of `openssl rand -hex 32`";
    reader.fault("METRICS_TOKEN", "is not 16 to 512 printable characters without a space", remedy);
  }
  return { address: port === 0 ? null : { host: host ?? LOOPBACK, port }, token };
}
