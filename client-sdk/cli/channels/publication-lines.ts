import type { PresenceRoster } from "../../index.ts";
import type { MemberKey, Publication } from "../../protocol/index.ts";
import { harmless, oneLine } from "../format/text.ts";
import { preciseTime } from "../format/times.ts";
import type { Output } from "../terminal/output.ts";

const PALETTE = ["cyan", "magenta", "yellow", "green", "blue", "red"] as const;

/** The minimum number of payload characters, on any terminal width. */
const MIN_PAYLOAD = 20;

interface PresenceFields {
  meta: object;
  at: number;
  state?: string;
  reason?: string;
}

/** Formats publications of one or several channels as lines. */
export class PublicationLines {
  readonly #output: Output;
  readonly #channels: readonly string[];
  readonly #oneLine: boolean;

  /** With `oneLine`, payloads are cut to the width of the terminal. */
  constructor(
    output: Output,
    channels: readonly string[],
    { oneLine = false }: { oneLine?: boolean | undefined } = {},
  ) {
    this.#output = output;
    this.#channels = channels;
    this.#oneLine = oneLine;
  }

  /**
   * Prints one publication: a colored line on a terminal, tab-separated fields in a pipe, an object with its channel as
   * JSON.
   */
  publication(channel: string, publication: Publication): void {
    this.#output.record({ event: "publication", channel, ...publication }, () => {
      const { at, offset, ephemeral, type, from, payload } = publication;
      const place = ephemeral ? "-" : `${offset}`;
      return this.#line(channel, { at, place, type, from: authorOf(from), payload });
    });
  }

  /** Prints an event of a channel. The text for people goes to stderr, because it is not data of the channel. */
  event(channel: string, event: string, fields: object, words: string): void {
    if (this.#output.mode === "json") this.#output.record({ event, channel, ...fields }, String);
    else this.#output.warn(`${this.#prefix(channel)}${words}`);
  }

  /** Reports that the requested range was trimmed: the oldest stored publication is `oldest`. */
  trimmed(channel: string, oldest: number): void {
    const words = `The hub no longer has the publications before #${oldest}: history is limited in time and number.`;
    this.event(channel, "trimmed", { oldest }, words);
  }

  /** Prints a line for each join, update and leave. */
  watch(channel: string, roster: PresenceRoster | null): void {
    roster?.on("join", ({ key, meta, state, joinedAt }) =>
      this.#presence(channel, "join", key, { meta, at: joinedAt, state }),
    );
    roster?.on("update", ({ key, meta, state, updatedAt }) =>
      this.#presence(channel, "update", key, { meta, at: updatedAt, state }),
    );
    roster?.on("leave", ({ key, meta }, reason) =>
      this.#presence(channel, "leave", key, { meta, at: Date.now(), reason }),
    );
  }

  #presence(channel: string, event: string, key: string, fields: PresenceFields): void {
    const { at, meta, ...why } = fields;
    const detail = why.reason ?? (why.state === "suspect" ? "suspect" : null);
    const type = detail === null ? `presence.${event}` : `presence.${event}:${detail}`;
    this.#output.record({ event, channel, key, at, ...why, meta }, () =>
      this.#line(channel, { at, place: "-", type, from: key, payload: meta }),
    );
  }

  #line(
    channel: string,
    { at, place, type, from, payload }: { at: number; place: string; type: string; from: string; payload: unknown },
  ): string {
    const { mode, colors } = this.#output;
    const [shownType, shownFrom] = [harmless(type), harmless(from)];
    if (mode === "plain") {
      return [new Date(at).toISOString(), channel, place, shownType, shownFrom, oneLine(payload)].join("\t");
    }
    const [time, prefix, author] = [preciseTime(at), this.#prefix(channel), `← ${shownFrom}`];
    const offset = (place === "-" ? "·" : `#${place}`).padStart(5);
    const kind = shownType.padEnd(16);
    const taken = [time, offset, kind, author].join("  ").length + prefix.length;
    const shown = this.#fitting(oneLine(payload), taken);
    const before = `${colors.dim(time)} ${this.#color(channel)(prefix)}${colors.dim(offset)} ${colors.bold(kind)}`;
    return `${before} ${shown} ${colors.dim(author)}`;
  }

  #fitting(payload: string, taken: number): string {
    const room = Math.max(MIN_PAYLOAD, (process.stdout.columns ?? Number.POSITIVE_INFINITY) - taken);
    return this.#oneLine && payload.length > room ? `${payload.slice(0, room - 1)}…` : payload;
  }

  /** The channel's name, if there are several channels. */
  #prefix(channel: string): string {
    return this.#channels.length > 1 ? `${harmless(channel)} ` : "";
  }

  #color(channel: string): (text: string) => string {
    const name = PALETTE[this.#channels.indexOf(channel) % PALETTE.length] ?? "cyan";
    return this.#output.colors[name];
  }
}

/** The publisher: a member's key, `service:<name>`, or `hub`. */
export function authorOf(from: MemberKey | { service: string } | null): string {
  if (from === null) return "hub";
  if ("service" in from) return `service:${from.service}`;
  return "workstationId" in from ? `workstation:${from.workstationId}` : `user:${from.userId}`;
}
