import fc from "fast-check";
import { type FrameSpec, frames } from "./frames.ts";
import { httpText } from "./http.ts";
import { anonymousPacket, packet } from "./packets.ts";

/** An input that is sent once. */
export type Input =
  /** Packets of Engine.IO, which leave in one write or one POST. */
  | { kind: "packets"; packets: string[] }
  /** One packet in several WebSocket frames; with polling, one POST. */
  | { kind: "fragments"; packet: string; pieces: number }
  /** Frames that may break the rules of WebSocket; with polling, a POST of their payloads. */
  | { kind: "frames"; frames: FrameSpec[] }
  /** A request on a separate TCP connection. */
  | { kind: "http"; text: string };

export const PRINCIPALS = ["owner", "member", "station", "service", "nobody"] as const;

/** A client of the attack, which reconnects whenever its connection has ended. */
export interface Actor {
  transport: "websocket" | "polling";
  /** The principal of its token; nobody: it sends before it is accepted. */
  principal: (typeof PRINCIPALS)[number];
}

/** The inputs of one case: its steps in order, each by one of its actors. */
export interface Attack {
  actors: Actor[];
  steps: { actor: number; input: Input }[];
}

const MAX_ACTORS = 4;
const MAX_STEPS = 200;

const actor: fc.Arbitrary<Actor> = fc.record({
  transport: fc.constantFrom("websocket", "websocket", "websocket", "websocket", "polling"),
  principal: fc.constantFrom(...PRINCIPALS, "owner", "station", "service", "owner"),
});

function inputs(one: fc.Arbitrary<string>): fc.Arbitrary<Input> {
  return fc.oneof(
    { weight: 70, arbitrary: one.map((text): Input => ({ kind: "packets", packets: [text] })) },
    {
      weight: 20,
      arbitrary: fc
        .array(one, { minLength: 2, maxLength: 12, size: "max" })
        .map((packets): Input => ({ kind: "packets", packets })),
    },
    {
      weight: 5,
      arbitrary: fc
        .tuple(one, fc.integer({ min: 1, max: 5 }))
        .map(([text, pieces]): Input => ({ kind: "fragments", packet: text, pieces })),
    },
    { weight: 2, arbitrary: frames(one).map((some): Input => ({ kind: "frames", frames: some })) },
    { weight: 2, arbitrary: httpText.map((text): Input => ({ kind: "http", text })) },
  );
}

const admitted = inputs(packet);
const anonymous = inputs(anonymousPacket);

/** Attacks of a few actors, whose steps come in any order. */
export const attack: fc.Arbitrary<Attack> = fc.array(actor, { minLength: 1, maxLength: MAX_ACTORS }).chain((actors) => {
  const stepsOf = ({ principal }: Actor, index: number) =>
    fc.record({ actor: fc.constant(index), input: principal === "nobody" ? anonymous : admitted });
  const steps = fc.array(fc.oneof(...actors.map(stepsOf)), { minLength: 1, maxLength: MAX_STEPS, size: "max" });
  return fc.record({ actors: fc.constant(actors), steps });
});

/** The number of inputs in an attack. */
export function inputsIn({ steps }: Attack): number {
  return steps.reduce((sum, { input }) => sum + (input.kind === "packets" ? input.packets.length : 1), 0);
}
