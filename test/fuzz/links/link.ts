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
  /** Resolves when inputs may be sent: the transport is open and its client accepted, or it has ended. */
  readonly ready: Promise<void>;
  /** `name` replaces placeholders by ids and tokens. */
  send(input: Input, name: (text: string) => string): void;
  destroy(): void;
}

/** An attacker's input with replaced placeholders, for a transport without frames. */
export function bodyOf(input: Input, name: (text: string) => string): string {
  if (input.kind === "packets") return input.packets.map(name).join("\x1e");
  if (input.kind === "fragments") return name(input.packet);
  if (input.kind === "frames") return input.frames.map(({ payload }) => name(payload)).join("\x1e");
  return name(input.text);
}
