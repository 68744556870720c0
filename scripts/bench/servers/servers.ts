import { fileURLToPath } from "node:url";
import { ServerProcess } from "./server-process.ts";

export const HUB = fileURLToPath(new URL("../../../hub/main.ts", import.meta.url));
const PEER = fileURLToPath(new URL("./peer.ts", import.meta.url));

/** Starts bare Socket.IO; `environment` is what peer.ts reads. */
export const startPeer = (environment: Record<string, string> = {}): Promise<ServerProcess> =>
  ServerProcess.start({ module: PEER, readyPath: "/healthz", environment });

/** Starts a hub in memory mode on the database of `environment.DATABASE_URL`, with limits that no load reaches. */
export const startHub = (environment: Record<string, string>): Promise<ServerProcess> =>
  ServerProcess.start({ module: HUB, readyPath: "/readyz", environment: { ...HUB_LIMITS, ...environment } });

// The bench measures what the hub can do, so what it would refuse to one client is raised; all else is as shipped.
const HUB_LIMITS: Record<string, string> = {
  LOG_LEVEL: "warn",
  CONNECTIONS_PER_PRINCIPAL: "100000",
  PUBLISHES_PER_SECOND: "100000",
  REQUESTS_PER_SECOND: "100000",
  RPCS_PER_SECOND: "100000",
  BYTES_PER_SECOND: "1073741824",
};

/** Runs `body` on servers that are ended whatever happens. */
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
