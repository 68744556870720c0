import type { Answers } from "../answers.ts";
import type { Input } from "../inputs/attack.ts";

export interface LinkOptions {
  url: string;
  answers: Answers;
  /** Sent as soon as the transport is open; null: nothing. */
  connect: string | null;
}

/** One transport of an attacker. */
export interface Link {
  readonly answers: Answers;
  readonly ended: boolean;
  /** Resolves when inputs may be sent: the transport is open and its client let in, or it has ended. */
  readonly ready: Promise<void>;
  /** `name` puts ids and tokens in the place of placeholders. */
  send(input: Input, name: (text: string) => string): void;
  destroy(): void;
}

/** What an attacker's input is after its placeholders were replaced, where the transport has no frames. */
export function bodyOf(input: Input, name: (text: string) => string): string {
  if (input.kind === "packets") return input.packets.map(name).join("\x1e");
  if (input.kind === "fragments") return name(input.packet);
  if (input.kind === "frames") return input.frames.map(({ payload }) => name(payload)).join("\x1e");
  return name(input.text);
}
