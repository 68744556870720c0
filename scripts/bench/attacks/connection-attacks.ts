import { randomUUID } from "node:crypto";
import { ulid } from "ulid";
import { type Attack, eventOr, pause, type Striker } from "./attack.ts";
import { ask, openSession, post } from "./raw-http.ts";
import { connectPacket, opened, RawPeer, upgrading } from "./raw-peer.ts";
import { flood, frame, onFrames, onTcp, UPGRADE } from "./raw-tcp.ts";

const SMALL = { test: 2, bench: 4 };
const MEBIBYTE = 2 ** 20;
/** Control frames and fragments of one strike, at most. */
const FLOOD = 200_000;
const FLOOD_MS = 1_000;
const MANY = 10;
/** The byte budget of a connection for a second. */
const BUDGET_MEBIBYTES = 4;

const floodsWith =
  (frames: Buffer, first?: Buffer) =>
  (striker: Striker): Promise<void> =>
    onFrames(striker, striker.userToken, async (socket) => {
      if (first) socket.write(first);
      await flood(striker, socket, { frames, count: FLOOD, limitMs: FLOOD_MS });
    });

/** A call that every principal may make. */
const call = (striker: Striker, token: string) =>
  ask(striker, "/v1/rpc/users.list", { body: JSON.stringify({ organizationId: striker.organizationId }), token });

/** More calls with wrong tokens than an address may make in one burst. */
const FAILURES = 400;
const RESETS = 20;

async function resetAfterRefusal(striker: Striker): Promise<void> {
  for (let failures = 0; failures < FAILURES; failures += 1) {
    if ((await call(striker, "pat_made-up-token")).status === 429) break;
  }
  const reset = (afterAnswer: boolean) =>
    onTcp(striker, async (socket) => {
      socket.write(UPGRADE);
      if (afterAnswer) await eventOr(socket, "data", 500);
      socket.resetAndDestroy();
      striker.saw("reset");
    });
  await Promise.all(Array.from({ length: RESETS }, (_, index) => reset(index % 2 === 0)));
}

/** Uses up the byte budget of a polling session, and upgrades it while nothing is read from it. */
async function upgradeWhilePaused(striker: Striker): Promise<void> {
  const sid = await openSession(striker);
  await post(striker, sid, connectPacket(striker.userToken));
  await ask(striker, `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
  const body = `420["publish",{"payload":"${"x".repeat(MEBIBYTE)}"}]`;
  for (let posts = 0; posts < BUDGET_MEBIBYTES; posts += 1) await post(striker, sid, body);
  // This one waits in the hub until the pause ends.
  const parked = post(striker, sid, body).catch(() => null);
  const socket = upgrading(striker, sid);
  socket.on("error", () => undefined);
  try {
    await opened(socket);
    striker.saw("opened");
    socket.send("2probe");
    await eventOr(socket, "message", 500);
    socket.send("5");
    for (let sent = 0; sent < 200; sent += 1) socket.send("3");
    await eventOr(socket, "close", 300);
  } finally {
    socket.terminate();
    await parked;
  }
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
/** A token of the remote issuer, signed by a key that the issuer does not have. */
const withMadeUpKey = ({ remoteIssuer }: Striker): string =>
  [
    encoded({ alg: "ES256", kid: randomUUID() }),
    encoded({ iss: remoteIssuer, aud: "web", sub: "owner", exp: 4_102_444_800 }),
    "A".repeat(86),
  ].join(".");

export const CONNECTION_ATTACKS: readonly Attack[] = [
  {
    name: "pong-flood",
    description: "empty pongs of six bytes, as many as the hub reads",
    lanes: SMALL,
    observes: { sent: 10_000 },
    builds: true,
    strike: floodsWith(frame("pong", "")),
  },
  {
    name: "ping-flood",
    description: "empty pings of six bytes, as many as the hub reads",
    lanes: SMALL,
    observes: { sent: 10_000 },
    strike: floodsWith(frame("ping", "")),
  },
  {
    name: "fragment-flood",
    description: "a message in fragments of a byte, as many as the hub reads",
    lanes: SMALL,
    observes: { sent: 10_000 },
    strike: floodsWith(frame("continuation", "x", false), frame("text", "4", false)),
  },
  {
    name: "reset-after-refusal",
    description: "upgrades that are refused with 429, and reset",
    lanes: { test: 2, bench: 4 },
    observes: { "status 429": 1, reset: RESETS },
    limitsAddress: true,
    strike: resetAfterRefusal,
  },
  {
    name: "upgrade-while-paused",
    description: "polling sessions that use up their bytes, and then upgrade",
    lanes: SMALL,
    observes: { opened: 1, "status 200": 1 + BUDGET_MEBIBYTES },
    strike: upgradeWhilePaused,
  },
  {
    name: "oversized-posts",
    description: "polling requests of 3 MB in a loop, before and after CONNECT",
    lanes: SMALL,
    observes: { "status 413": 1 },
    limitsAddress: true,
    strike: async (striker) => {
      const body = "x".repeat(3 * MEBIBYTE);
      for (const connects of [false, true]) {
        const sid = await openSession(striker);
        if (connects) await post(striker, sid, connectPacket(striker.userToken));
        for (let posts = 0; posts < MANY; posts += 1) await post(striker, sid, body);
      }
    },
  },
  {
    name: "connect-close",
    description: "connections with a valid token that end immediately",
    lanes: { test: 4, bench: 16 },
    observes: { connected: MANY },
    strike: async (striker) => {
      for (let turn = 0; turn < MANY; turn += 1) await RawPeer.use(striker, striker.userToken, () => pause(0));
    },
  },
  {
    name: "connect-send-close",
    description: "connections with a valid token that send 4 MiB and end",
    lanes: SMALL,
    observes: { connected: 2, sent: 8 },
    builds: true,
    strike: async (striker) => {
      const packet = `420["publish",{"payload":"${"x".repeat(MEBIBYTE)}"}]`;
      await RawPeer.use(striker, striker.userToken, async (peer) => {
        for (let sent = 0; sent < 4; sent += 1) peer.send(packet);
        await peer.drained(500);
      });
    },
  },
  {
    name: "made-up-keys",
    description: "tokens of a remote issuer with unknown key ids, over sockets and HTTP",
    lanes: { test: 4, bench: 16 },
    observes: { unavailable: 1 },
    limitsAddress: true,
    builds: true,
    strike: async (striker) => {
      for (let turn = 0; turn < MANY; turn += 1) {
        await RawPeer.use(striker, withMadeUpKey(striker), async () => undefined).catch(() => undefined);
        await call(striker, withMadeUpKey(striker));
      }
    },
  },
  {
    name: "many-organizations",
    description: "one principal that creates organizations, and asks slow questions about each",
    lanes: { test: 4, bench: 20 },
    observes: { ok: MANY },
    builds: true,
    strike: (striker) =>
      RawPeer.use(striker, striker.userToken, async (peer) => {
        const rpc = (ack: number, method: string, params: object) =>
          `42${ack}${JSON.stringify(["rpc", { method, params }])}`;
        const slug = () => `attack-${ulid().toLowerCase()}`;
        const create = (ack: number) => rpc(ack, "organizations.create", { name: "Attackers", slug: slug() });
        const created = await peer.ask(Array.from({ length: MANY }, (_, ack) => create(ack)));
        const ids = created.flatMap((answer) => /"id":"(org_[0-9A-Z]+)"/.exec(answer)?.[1] ?? []);
        await peer.ask(
          ids.map((organizationId, index) => rpc(100 + index, "audit.list", { organizationId, after: 0 })),
        );
      }),
  },
];
