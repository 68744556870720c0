import { type Attack, eventOr, pause, type Striker } from "./attack.ts";
import { poll } from "./raw-http.ts";
import { connectPacket, RawPeer } from "./raw-peer.ts";
import { onFrames, onTcp } from "./raw-tcp.ts";

const MEBIBYTE = 2 ** 20;
/** Almost the largest frame that a client may send: `frameBytes` of PROTOCOL.md. */
const LARGE = 600_000;
const SMALL = { test: 4, bench: 8 };
/** Lanes for strikes of megabytes. */
const HEAVY = { test: 2, bench: 4 };

/** An event with 65,000 arguments, 130 KB: Socket.IO would spread them over the stack. */
const MANY_ARGUMENTS = `421["subscribe"${",1".repeat(65_000)}]`;
const DEEP = `421["publish",${"[".repeat(LARGE / 2)}${"]".repeat(LARGE / 2)}]`;
const WIDE = `421["publish",{${Array.from({ length: LARGE / 13 }, (_, key) => `"k${key}":1`).join(",")}}]`;
const PLAIN = `421["publish",{"payload":"${"x".repeat(LARGE)}"}]`;
const TOO_LARGE = `421["publish",{"payload":"${"x".repeat(3 * MEBIBYTE)}"}]`;
const HUGE_CONNECT = `40{"token":${"[".repeat(1_400_000)}${"]".repeat(1_400_000)}}`;
const postOf = (packet: string) =>
  Array.from({ length: Math.floor(LARGE / (packet.length + 1)) }, () => packet).join("\x1e");
const [NOOPS, PONGS, CONNECTS] = [postOf("6"), postOf("3"), postOf("40/x,")];

/** How long a strike keeps its connection, and how long it waits for the hub's first error, which the byte budget delays. */
const [STRIKE_MS, JUDGED_MS] = [500, 5_000];

/** Sends frames on an authenticated connection, and waits for the hub's reaction to the first of them. */
const sends =
  (...frames: (string | Buffer)[]) =>
  (striker: Striker) =>
    RawPeer.use(striker, striker.userToken, async (peer) => {
      for (const frame of frames) peer.send(frame);
      await peer.ended(STRIKE_MS);
      await peer.judged(JUDGED_MS);
    });

/** Sends a frame that the hub may ignore. */
const sendsIgnored = (frame: string, striker: Striker) =>
  RawPeer.use(striker, striker.userToken, async (peer) => {
    peer.send(frame);
    await peer.ended(STRIKE_MS);
  });

/** The same before a token was sent. */
const sendsFirst =
  (...frames: string[]) =>
  (striker: Striker) =>
    RawPeer.use(striker, null, async (peer) => {
      for (const frame of frames) peer.send(frame);
      await peer.ended(1_000);
    });

const MALFORMED = [
  "",
  "9",
  "4",
  "49",
  "42",
  "42[",
  "42{}",
  "42[1]",
  "42[null]",
  '42["',
  "421e309[]",
  "42-1[]",
  "4299999999999999999999[]",
  '42["__proto__",{}]',
  '42["connect"]',
  '42["disconnect"]',
  "43",
  "43[]",
  "4399[]",
  "44",
  "45",
  "451-",
  '45999-["publish"]',
  '451-["publish",{"_placeholder":true,"num":-1}]',
  "40{",
  "40[]",
  "40,",
  "41,",
  "5",
  "5probe",
  "2probe",
  "1",
  "0{}",
];
const BINARY = Buffer.alloc(64 * 1024, 7);

/** A WebSocket peer that ignores the end: it neither answers the close frame nor ends its TCP connection. */
const ignoresClose = (striker: Striker) => onFrames(striker, "wst_made-up", () => pause(500));

export const FRAME_ATTACKS: readonly Attack[] = [
  {
    name: "arguments",
    description: "one event with 65,000 arguments over WebSocket",
    lanes: SMALL,
    observes: { bad_request: 1 },
    strike: sends(MANY_ARGUMENTS),
  },
  {
    name: "arguments-polling",
    description: "the same in a polling POST",
    lanes: SMALL,
    observes: { bad_request: 1 },
    strike: (striker) => poll(striker, connectPacket(striker.userToken), MANY_ARGUMENTS),
  },
  {
    name: "huge-connect",
    description: "a first packet of 2.8 MB",
    lanes: HEAVY,
    observes: { "closed 1009": 1 },
    limitsAddress: true,
    strike: sendsFirst(HUGE_CONNECT),
  },
  {
    name: "huge-connect-polling",
    description: "a first polling POST of 2.8 MB",
    lanes: HEAVY,
    observes: { "status 413": 1 },
    limitsAddress: true,
    strike: (striker) => poll(striker, HUGE_CONNECT),
  },
  {
    name: "post-of-packets",
    description: "polling POSTs of the largest size, of tiny packets",
    lanes: HEAVY,
    observes: { "status 413": 1, bad_request: 1 },
    limitsAddress: true,
    strike: async (striker) => {
      for (const body of [NOOPS, PONGS, CONNECTS]) await poll(striker, body);
      await poll(striker, connectPacket(striker.userToken), PONGS);
    },
  },
  {
    name: "deep-json",
    description: "the largest frame, of brackets, authenticated",
    lanes: HEAVY,
    observes: { bad_request: 1 },
    strike: sends(DEEP),
  },
  {
    name: "wide-json",
    description: "the largest frame, of keys in an object, authenticated",
    lanes: HEAVY,
    observes: { bad_request: 1 },
    strike: sends(WIDE),
  },
  {
    name: "plain-json",
    description: "the largest frame, of one string, four times in a row",
    lanes: HEAVY,
    observes: { bad_request: 1 },
    builds: true,
    strike: sends(PLAIN, PLAIN, PLAIN, PLAIN),
  },
  {
    name: "too-large",
    description: "a frame of 3 MB, authenticated",
    lanes: HEAVY,
    observes: { "closed 1009": 1 },
    strike: sends(TOO_LARGE),
  },
  {
    name: "binary",
    description: "binary frames, with and without the packet that announces them",
    lanes: SMALL,
    observes: { bad_request: 1 },
    strike: sends('451-["publish",{"_placeholder":true,"num":0}]', BINARY, BINARY, BINARY),
  },
  {
    name: "malformed",
    description: "packets that are invalid in Engine.IO, Socket.IO or the protocol",
    lanes: SMALL,
    observes: { bad_request: 1 },
    limitsAddress: true,
    strike: async (striker) => {
      const frames = MALFORMED.toSorted(() => Math.random() - 0.5);
      await sendsFirst(...frames.slice(0, 3))(striker);
      for (const frame of frames.slice(0, 4)) await sendsIgnored(frame, striker).catch(() => undefined);
    },
  },
  {
    name: "foreign-namespaces",
    description: "a thousand CONNECTs of namespaces that do not exist",
    lanes: SMALL,
    observes: { bad_request: 1 },
    strike: sends(...Array.from({ length: 1_000 }, (_, index) => `40/space-${index},{}`)),
  },
  {
    name: "leave-namespace",
    description: "connections that leave the namespace and answer pings",
    lanes: { test: 10, bench: 50 },
    observes: { "closed 1005": 1 },
    strike: (striker) =>
      RawPeer.use(striker, striker.userToken, async (peer) => {
        peer.send("41");
        await peer.ended(1_000);
      }),
  },
  {
    name: "ignored-close",
    description: "peers that ignore the close frame",
    lanes: { test: 10, bench: 50 },
    observes: { unauthenticated: 1 },
    limitsAddress: true,
    strike: ignoresClose,
  },
  {
    name: "half-open",
    description: "handshakes that never end: half a request, and transports without CONNECT",
    lanes: { test: 10, bench: 50 },
    observes: { opened: 2 },
    limitsAddress: true,
    strike: async (striker) => {
      await Promise.all([
        onTcp(striker, async (socket) => {
          socket.write("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h");
          await eventOr(socket, "close", 1_000);
        }),
        sendsFirst()(striker),
      ]);
    },
  },
  {
    name: "h2c",
    description: "requests with `Upgrade: h2c`",
    lanes: SMALL,
    observes: { "status 200": 1 },
    strike: (striker) =>
      onTcp(striker, async (socket) => {
        socket.write(
          "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        );
        await eventOr(socket, "data", 1_000);
      }),
  },
];
