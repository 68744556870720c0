import type { Attack, Attacker, Striker } from "./attack.ts";
import { ask } from "./raw-http.ts";
import { RawPeer } from "./raw-peer.ts";

const IN_FLIGHT = 12;
/** Above the burst of a connection, and below the limit that ends it. */
const STORM = 700;
const rpc = (ack: number, method: string, params: object) => `42${ack}${JSON.stringify(["rpc", { method, params }])}`;
const frames = (count: number, frame: (ack: number) => string) => Array.from({ length: count }, (_, ack) => frame(ack));

/** A strike of an authenticated connection that sends all its requests in one burst. */
const asks =
  (count: number, frame: (ack: number, attacker: Attacker) => string) =>
  (striker: Striker): Promise<void> =>
    RawPeer.use(striker, striker.userToken, async (peer) => {
      await peer.ask(frames(count, (ack) => frame(ack, striker)));
    });

const made = (header: object, payload: object) =>
  `${[header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.${"A".repeat(86)}`;
const CLAIMS = { iss: "urn:monster-realtime:development", aud: "development", sub: "owner", exp: 4_102_444_800 };
const FORGED = [
  made({ alg: "none" }, CLAIMS),
  made({ alg: "HS256", kid: "../../dev/null" }, CLAIMS),
  made({ alg: "ES256", kid: "made-up", jku: "http://127.0.0.1:9/keys", x5u: "http://127.0.0.1:9/x5u" }, CLAIMS),
  made({ alg: "ES256" }, { ...CLAIMS, iss: "http://127.0.0.1:9" }),
  "pat_made-up-token",
  `wst_${"x".repeat(43)}`,
];

/** Fewer than a connection may send in one second. */
const LARGE_PUBLICATIONS = 15;
const LARGE_PAYLOAD = "x".repeat(65_000);

/** Creates a task and fills the history of its channel. */
function floodHistory(striker: Striker): Promise<void> {
  return RawPeer.use(striker, striker.userToken, async (peer) => {
    const [made = ""] = await peer.ask([rpc(0, "tasks.create", { projectId: striker.projectId, title: "Flood" })]);
    const [taskId] = /task_\w+/.exec(made) ?? [];
    if (taskId === undefined) throw new Error(`no task was made: ${made.slice(0, 200)}`);
    const publication = { channel: `task:${taskId}`, type: "flood", payload: LARGE_PAYLOAD };
    await peer.ask(frames(LARGE_PUBLICATIONS, (ack) => `42${ack + 1}${JSON.stringify(["publish", publication])}`));
  });
}

export const SHARE_ATTACKS: readonly Attack[] = [
  {
    name: "many-connections",
    description: "one principal with a hundred connections and 12 list queries in flight on each",
    lanes: { test: 20, bench: 100 },
    observes: { ok: 1 },
    builds: true,
    strike: asks(IN_FLIGHT, (ack, { projectId }) => rpc(ack, "tasks.list", { projectId, limit: 100 })),
  },
  {
    name: "subscribe-storm",
    description: "subscribe and unsubscribe in a loop",
    lanes: { test: 4, bench: 20 },
    observes: { ok: 1, rate_limited: 1 },
    builds: true,
    strike: asks(STORM, (ack, { workstationId }) => {
      const event = ack % 2 === 0 ? "subscribe" : "unsubscribe";
      return `42${ack}${JSON.stringify([event, { channel: `workstation:${workstationId}` }])}`;
    }),
  },
  {
    name: "publish-storm",
    description: "publications beyond every rate",
    lanes: { test: 4, bench: 20 },
    observes: { ok: 1, rate_limited: 1 },
    builds: true,
    strike: asks(STORM, (ack, { workstationId }) => {
      const publication = { channel: `workstation:${workstationId}`, type: "storm", payload: "x".repeat(1_000) };
      return `42${ack}${JSON.stringify(["publish", publication])}`;
    }),
  },
  {
    name: "history-flood",
    description: "publications of the largest size on more and more task channels, to fill the hub's memory",
    lanes: { test: 4, bench: 6 },
    observes: { ok: 1 },
    builds: true,
    strike: floodHistory,
  },
  {
    name: "scans",
    description: "audit queries from the beginning, in a loop",
    lanes: { test: 4, bench: 20 },
    observes: { ok: 1 },
    builds: true,
    strike: asks(IN_FLIGHT, (ack, { organizationId }) => rpc(ack, "audit.list", { organizationId, after: 0 })),
  },
  {
    name: "probes",
    description: "health probes and metrics in a loop",
    lanes: { test: 4, bench: 16 },
    observes: { "status 200": 3 },
    strike: async (striker) => {
      for (const path of ["/healthz", "/readyz", "/metrics"]) await ask(striker, path);
    },
  },
  {
    name: "forged-tokens",
    description: "tokens with `alg` tricks, foreign keys and made-up secrets",
    lanes: { test: 4, bench: 16 },
    observes: { unauthenticated: 1 },
    limitsAddress: true,
    strike: async (striker) => {
      for (const token of FORGED) await RawPeer.use(striker, token, async () => undefined).catch(() => undefined);
    },
  },
  {
    name: "refresh-storm",
    description: "`auth.refresh` in a circle",
    lanes: { test: 4, bench: 20 },
    observes: { ok: 1, rate_limited: 1 },
    strike: asks(STORM, (ack, { userToken }) => `42${ack}${JSON.stringify(["auth.refresh", { token: userToken }])}`),
  },
];
