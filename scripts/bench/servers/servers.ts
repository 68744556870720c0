import { fileURLToPath } from "node:url";
import { ServerProcess } from "./server-process.ts";

export const HUB = fileURLToPath(new URL("../../../hub/main.ts", import.meta.url));
const PEER = fileURLToPath(new URL("./peer.ts", import.meta.url));

/** Starts bare Socket.IO; `environment` has the variables of peer.ts. */
export const startPeer = (environment: Record<string, string> = {}): Promise<ServerProcess> =>
  ServerProcess.start({ module: PEER, readyPath: "/healthz", environment });

/** Starts a hub in memory mode on the database of `environment.DATABASE_URL`, with limits that no load reaches. */
export const startHub = (environment: Record<string, string>): Promise<ServerProcess> =>
  ServerProcess.start({ module: HUB, readyPath: "/readyz", environment: { ...HUB_LIMITS, ...environment } });

// The bench measures the hub's capacity, so the limits for one client are raised; all else is default.
const HUB_LIMITS: Record<string, string> = {
  LOG_LEVEL: "warn",
  CONNECTIONS_PER_PRINCIPAL: "100000",
  PUBLISHES_PER_SECOND: "100000",
  REQUESTS_PER_SECOND: "100000",
  RPCS_PER_SECOND: "100000",
  BYTES_PER_SECOND: "1073741824",
};

/** Runs `body` on servers, and always ends them. */
export async function withServers<Servers extends readonly Promise<ServerProcess>[], Result>(
  starting: Servers,
  body: (...servers: { [Index in keyof Servers]: ServerProcess }) => Promise<Result>,
): Promise<Result> {
  const settled = await Promise.allSettled(starting);
  const servers = settled.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  try {
    await Promise.all(starting);
    return await body(...(servers as { [Index in keyof Servers]: ServerProcess }));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
