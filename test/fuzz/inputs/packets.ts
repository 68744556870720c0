import fc from "fast-check";
import { z } from "zod";
import {
  channelRequest,
  historyRequest,
  publishRequest,
  refreshRequest,
  rpcRequest,
  subscribeRequest,
  workstationMeta,
} from "../../../hub/commands/schemas.ts";
import { PROCEDURES } from "../../../hub/rpc/router/methods.ts";
import { anything, type JsonText, unexpected } from "./json.ts";
import { textOf } from "./schema.ts";

/** Packets are texts of Engine.IO: a message of Socket.IO begins with 4. */
type PacketText = fc.Arbitrary<string>;

const presence = z.strictObject({ channel: z.string(), meta: workstationMeta });
const EVENTS: readonly (readonly [name: string, argument: JsonText])[] = [
  ["subscribe", textOf(subscribeRequest)],
  ["unsubscribe", textOf(channelRequest)],
  ["publish", textOf(publishRequest)],
  ["history", textOf(historyRequest)],
  ["presence.join", textOf(presence)],
  ["presence.update", textOf(presence)],
  ["presence.leave", textOf(channelRequest)],
  ["presence.list", textOf(channelRequest)],
  ["auth.refresh", textOf(refreshRequest)],
  ["rpc", textOf(rpcRequest)],
];
/** Ids with which packets request acknowledgements, including invalid ones. */
const ackId = fc.oneof(
  { weight: 30, arbitrary: fc.nat({ max: 100_000 }).map(String) },
  { weight: 2, arbitrary: fc.constant("") },
  { weight: 1, arbitrary: fc.constantFrom("0", "007", "999999999999999", "9007199254740993", "/,5", "/x,5", "5-") },
);

const seldom = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

const rpcs = PROCEDURES.map(({ method, input }) =>
  fc.tuple(textOf(input), seldom(fc.constantFrom("k1", "k2", "k3"))).map(([params, key]) => {
    const idempotency = key === null ? "" : `,"idempotencyKey":"${key}"`;
    return `["rpc",{"method":"${method}","params":${params}${idempotency}}]`;
  }),
);
const events = EVENTS.map(([name, argument]) => argument.map((json) => `["${name}",${json}]`));
const NAMES = [
  "publish",
  "welcome",
  "closing",
  "disconnecting",
  "connect",
  "disconnect",
  "error",
  "newListener",
  "__proto__",
  "",
];
const oddEvents = fc
  .tuple(
    fc.constantFrom(...NAMES.map((name) => JSON.stringify(name)), "1", "null", "{}", "[]"),
    fc.array(anything, { maxLength: 3 }),
  )
  .map((values) => `[${values.flat().join()}]`);

/** Requests of every event and every method: most are well-formed. */
export const request: PacketText = fc
  .tuple(
    ackId,
    fc.oneof(
      { weight: 12, arbitrary: fc.oneof(...events) },
      { weight: 7, arbitrary: fc.oneof(...rpcs) },
      { weight: 1, arbitrary: oddEvents },
    ),
  )
  .map(([id, json]) => `42${id}${json}`);

/** CONNECT packets, with faults. */
export const connect: PacketText = fc.oneof(
  fc.constantFrom("owner", "member", "station", "service").map((who) => `40{"token":"@${who}@"}`),
  fc.constantFrom(
    "40",
    "40{}",
    '40{"token":"wst_wrong"}',
    '40{"token":"@owner@","protocol":2}',
    "40/x,{}",
    '40{"token":"@owner@","x":1}',
  ),
  unexpected.map((json) => `40{"token":${json}}`),
  unexpected.map((json) => `40${json}`),
);

const MANY_ARGUMENTS = `421["subscribe"${",1".repeat(65_000)}]`;
const FOREIGN = [
  "41",
  "1",
  "2",
  "3",
  "5",
  "6",
  "4",
  "7",
  "9",
  "",
  "0{}",
  "2probe",
  "b4AAAA",
  "43",
  "431[]",
  "44{}",
  '451-["publish",{"_placeholder":true,"num":0}]',
  '461-1[{"_placeholder":true,"num":0}]',
  "459999999999-[]",
  "47",
  "4\u0000",
  "42",
  "421",
  "42[",
  '421["subscribe",{]',
  '42/x,1["subscribe",{}]',
  "40/x,",
  "41/x,",
] as const;

/** Packets that no client of this protocol sends. */
export const foreign: PacketText = fc.oneof(
  { weight: 50, arbitrary: fc.constantFrom(...FOREIGN) },
  { weight: 1, arbitrary: fc.constant(MANY_ARGUMENTS) },
);

const PIECES = [
  "[",
  "]",
  "{",
  "}",
  '"',
  ",",
  ":",
  "\\",
  "0",
  "-",
  "e",
  "\u0000",
  "\ud800",
  "\x1e",
  "/",
  "[[[[",
  "4",
  "42",
  "451-",
  "\\u",
];

/** A text with one part replaced. */
function mutated(packet: PacketText): PacketText {
  return fc
    .tuple(packet, fc.nat({ max: 1_000 }), fc.nat({ max: 6 }), fc.constantFrom("", ...PIECES))
    .map(([text, permille, cut, piece]) => {
      const at = Math.floor((text.length * permille) / 1_000);
      return text.slice(0, at) + piece + text.slice(at + cut);
    });
}

/** Packets of an accepted client, or of one that claims to be. */
export const packet: PacketText = fc.oneof(
  { weight: 80, arbitrary: request },
  { weight: 12, arbitrary: mutated(request) },
  { weight: 2, arbitrary: foreign },
  { weight: 1, arbitrary: connect },
);

/** Packets of a client before it is accepted. */
export const anonymousPacket: PacketText = fc.oneof(
  { weight: 6, arbitrary: connect },
  { weight: 2, arbitrary: mutated(connect) },
  { weight: 2, arbitrary: foreign },
  { weight: 1, arbitrary: request },
);
