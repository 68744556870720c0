import type { NumberName, TextName } from "./settings.ts";

/** A variable of the configuration, as `docs/configuration.md` lists it. */
export interface SettingDescription {
  description: string;
  /** The default in words, if it is not the number in `NUMBERS`. */
  byDefault?: string;
}

/** `NODE_ENV` is Node's own variable. */
export type SettingName = NumberName | TextName | "NODE_ENV";
type Group = Partial<Record<SettingName, SettingDescription>>;

/** Every variable, by topic. */
export const SETTING_GROUPS: Readonly<Record<string, Group>> = {
  Address: {
    PORT: { description: "The listening port. 0 takes any free port." },
    HOST: { description: "The listening address.", byDefault: "127.0.0.1 in development, else 0.0.0.0" },
    BASE_PATH: {
      description:
        "The path prefix of all routes, such as `/realtime`. The hub's address is then `https://host/realtime`.",
    },
    ALLOWED_ORIGINS: {
      description: "Origins of pages that may connect, separated by commas.",
      byDefault: "the hub's own",
    },
    TRUST_PROXY: { description: "The number of proxies in front of the hub, used to find the client's address." },
    KEEP_ALIVE_MS: {
      description: "How long an idle HTTP connection is kept open. It must exceed the proxy's idle timeout.",
    },
    METRICS_PORT: {
      description: "A separate port for `/metrics`, which the hub's port then no longer serves.",
      byDefault: "the hub's port",
    },
    METRICS_HOST: { description: "The address of `METRICS_PORT`.", byDefault: "127.0.0.1" },
    METRICS_TOKEN: {
      description: "The Bearer token that scrapes of `/metrics` must send, of 16 characters or more.",
    },
  },
  "Process and logs": {
    NODE_ENV: {
      description:
        "`production`: no development mode by default, and no embedded database unless `DATABASE_URL=embedded`.",
    },
    WEB_CONCURRENCY: {
      description: "The number of hub processes that serve the port. More than one needs `REDIS_URL`.",
    },
    LOG_LEVEL: { description: "The level of the JSON lines on standard error.", byDefault: "info" },
    DRAIN_MS: { description: "How long a drain may take." },
  },
  "Database and Redis": {
    DATABASE_URL: {
      description:
        "PostgreSQL 15 or newer. `npm run migrate` brings it to the current schema. `embedded` selects the embedded Postgres, which `NODE_ENV=production` requires you to set explicitly.",
      byDefault: "the embedded Postgres; none in production",
    },
    DATABASE_DIRECT_URL: {
      description: "The same database without a transaction pooler, for LISTEN and for migrations.",
      byDefault: "as `DATABASE_URL`",
    },
    DATABASE_POOL_SIZE: {
      description: "Database connections. At least 5 keep organizations apart ([deploying](deploy.md)).",
    },
    DATABASE_TIMEOUT_MS: { description: "How long a statement in the database may take." },
    DATABASE_OUTAGE_MS: { description: "How long cached rights are used during a database outage." },
    REDIS_URL: {
      description:
        "The Redis 7 that nodes share: `redis://` or `rediss://`, with commas between the hosts of a cluster. Several databases may share it.",
    },
    DATA_DIR: {
      description: "The folder of the embedded database and of the development issuer's key and tokens.",
      byDefault: "`./data`",
    },
  },
  "Tokens and rights": {
    DEVELOPMENT: {
      description: "`on` or `off`. If on, the hub issues its own tokens.",
      byDefault: "on without an issuer, unless `NODE_ENV=production`",
    },
    MONSTER_AUTH_ISSUER: {
      description: "The OpenAuth issuer. Its keys are read at `<issuer>/.well-known/jwks.json`.",
    },
    MONSTER_AUTH_AUDIENCES: {
      description:
        "Audiences of first-party clients, whose tokens open every organization of a user. Another audience opens the organizations with that `monster_auth_client_id`.",
    },
    MONSTER_AUTH_INTROSPECTION_URL: {
      description:
        "The endpoint that checks personal access tokens (RFC 7662). A user and password in the URL are sent as Basic credentials.",
    },
    PAT_CACHE_MS: { description: "How long a response of the introspection is cached." },
    SERVICE_TOKENS: {
      description:
        'Services: `[{ "name", "sha256", "organizations": ["org_…"] \\| "*" }]`, with the `sha256` of an `svc_…` token in hex.',
    },
    RIGHTS_CACHE_MS: { description: "The maximum age of the cached facts that decide rights." },
  },
  Presence: {
    PING_INTERVAL_MS: { description: "The time between two pings of a client." },
    PING_TIMEOUT_MS: {
      description: "How long a ping may stay unanswered. A dead client is detected within the sum of both.",
    },
    PRESENCE_GRACE_MS: { description: "How long a lost member is `suspect` before it leaves." },
    NODE_LEASE_MS: {
      description: "The lease of a node. Its members turn `suspect` this long after its last renewal.",
    },
    WRITE_BACK_INTERVAL_MS: { description: "The shortest time between two statements that write presence to rows." },
    HEARTBEAT_INTERVAL_MS: { description: "How often a connected workstation's `last_heartbeat` is written." },
    RECONCILE_INTERVAL_MS: { description: "How often rows are compared with live presence." },
  },
  History: {
    HISTORY_SIZE: { description: "How many publications of a `workstation:` or `task:` channel are kept." },
    HISTORY_TTL_MS: { description: "How long publications of these channels are kept." },
    PROJECT_HISTORY_SIZE: { description: "How many publications of a `project:…` channel are kept." },
    PROJECT_HISTORY_TTL_MS: { description: "How long publications of `project:…` channels are kept." },
    HISTORY_BYTES: {
      description:
        "The maximum bytes of history that a process holds, in memory or in Redis. Above it the largest organizations lose their oldest history.",
      byDefault: "a quarter of the V8 heap; 268435456 with Redis",
    },
    HISTORY_BYTES_PER_ORGANIZATION: {
      description: "The same for one organization, which then loses its own oldest history.",
      byDefault: "a quarter of `HISTORY_BYTES`",
    },
    POSITION_TTL_MS: { description: "How long a position outlives its channel's last use." },
    RECOVERY_BYTES: { description: "The maximum bytes of one response with publications." },
  },
  "Limits of a connection": {
    MESSAGE_BYTES: { description: "The maximum bytes of a publication." },
    META_BYTES: { description: "The maximum bytes of a presence's `meta`." },
    RPC_BYTES: { description: "The maximum bytes of an RPC call. The largest frame is 1.25 times as large." },
    OUTBOUND_BYTES: { description: "The maximum bytes queued for one connection before it is a slow consumer." },
    CHANNELS_PER_CONNECTION: {
      description: "The maximum number of channels that a connection may subscribe to or join.",
    },
    PUBLISHES_PER_SECOND: { description: "Publications that one connection may send in a second." },
    RPCS_PER_SECOND: { description: "RPC calls that one connection may send in a second." },
    REQUESTS_PER_SECOND: { description: "Requests of all kinds that one connection may send in a second." },
    BYTES_PER_SECOND: {
      description:
        "Bytes that the hub reads from one connection in a second. Above it reading pauses, and after ten seconds without a break the connection ends.",
    },
    REQUEST_TIMEOUT_MS: { description: "How long a request may take." },
  },
  "Limits of a principal or an address": {
    CONNECTIONS_PER_PRINCIPAL: { description: "The maximum number of connections of a principal on a node." },
    PRINCIPAL_RATE_FACTOR: {
      description:
        "Rates of a principal over all its connections and HTTP calls on a node, as a multiple of a connection's.",
    },
    SERVICE_RATE_FACTOR: { description: "The same for a service." },
    PRINCIPAL_RPCS_IN_FLIGHT: {
      description: "RPC calls of a principal that a node runs concurrently. Further calls wait.",
    },
    SERVICE_RPCS_IN_FLIGHT: { description: "The same for a service." },
    FAILED_HANDSHAKES_PER_SECOND: {
      description:
        "Handshakes of one address (IPv6: one /64) that may end without a principal. The burst is ten seconds' worth, then the address gets 429.",
    },
  },
  "Tasks and retention": {
    DISPATCH: { description: "`auto`: the hubs assign ready tasks to available agents.", byDefault: "manual" },
    ASSIGNMENT_TIMEOUT_MS: { description: "How long an assignment may stay unstarted." },
    ASSIGNMENT_RETRY_MS: { description: "When an agent may get a task again that it refused or failed." },
    SESSION_TIMEOUT_MS: { description: "How long a workstation may be offline before its sessions are lost." },
    AUDIT_RETENTION_DAYS: { description: "How many days the audit trail is kept. 0: for ever." },
    DELETED_ORGANIZATION_DAYS: {
      description:
        "How many days deleted organizations and projects can be restored before they are removed. 0: they are removed immediately.",
    },
  },
};
