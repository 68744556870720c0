import { join } from "node:path";
import type { HubConfig } from "../config/config.ts";
import type { Logger } from "../kernel/log.ts";

/** Logs what an operator must know about settings that are allowed but rarely meant outside development. */
export function warnOfDefaults(config: HubConfig, log: Logger): void {
  for (const warning of warningsOf(config)) log.warn(warning);
}

/** Each warning states the fact, its consequence and the remedy. */
export function warningsOf(config: HubConfig): string[] {
  const { production, development, database, metrics, auth, dataDir } = config;
  const isEmbedded = database.url === null;
  const warnings: (string | false)[] = [
    isEmbedded && !development && embeddedWarning(dataDir),
    isEmbedded && production && config.redis !== null && FOREIGN_HUBS,
    production && development && DEVELOPMENT_TOKENS,
    production && metrics.address === null && metrics.token === null && OPEN_METRICS,
    production && auth.issuer !== null && auth.audiences.length === 0 && NO_AUDIENCES,
  ];
  return warnings.filter((warning) => warning !== false);
}

function embeddedWarning(dataDir: string): string {
  const [data, socket] = [join(dataDir, "postgres"), join(dataDir, "postgres-socket")];
  return (
    `All data of this hub is in the embedded PostgreSQL, a beta build, in ${data}. It is lost with that folder: keep it on a disk that outlives deploys. ` +
    `A backup is a copy of ${dataDir} made while the hub is stopped, or the output of \`pg_dump -h ${socket} -U postgres -Fc postgres\`; ` +
    "a copy made while the hub runs is not usable. docs/deploy.md has both. Set DATABASE_URL to use a PostgreSQL server."
  );
}

const FOREIGN_HUBS =
  "REDIS_URL is set, but the database is embedded: hubs on other hosts have separate databases and share nothing with this one. " +
  "Set DATABASE_URL to one PostgreSQL server on all hosts, unless all processes run on this host.";
const DEVELOPMENT_TOKENS =
  "NODE_ENV is production, but DEVELOPMENT is on: tokens of the development issuer open this hub, also through a proxy on this host. " +
  "Set DEVELOPMENT=off and MONSTER_AUTH_ISSUER, unless the hub serves this host only.";
const OPEN_METRICS =
  "/metrics is on the hub's port without a token: each client that reaches the port can read it. Set METRICS_TOKEN or METRICS_PORT, or block the path in the proxy.";
const NO_AUDIENCES =
  "MONSTER_AUTH_AUDIENCES is not set: no client is first-party, so a user's token opens only organizations whose monster_auth_client_id is its audience. " +
  "Set MONSTER_AUTH_AUDIENCES to the audiences of your own clients.";
