/** An event with an id, as PROTOCOL.md has it: it gets its own answer, regardless of the rest. */
const EVENT_WITH_ID = /^42(?:\/,)?(\d{1,15})(?![\d/])/;
const ANSWER = /^43(\d+)\[/;

/** The events of a connection that must be answered, and the packets that it received. */
export class Answers {
  /** Unanswered events, by id. */
  readonly #waiting = new Map<number, number>();
  readonly #forbidden: readonly string[];
  #admitted = false;
  #refused = false;
  #reasonSaid = false;
  #excused = false;
  /** It may have sent events that are not recorded: in raw frames, or before its welcome. */
  #sentMore = false;
  /** The first packet that no client may receive, or null. */
  wrong: string | null = null;

  /** `forbidden`: text that no packet may contain. */
  constructor(forbidden: readonly string[]) {
    this.#forbidden = forbidden;
  }

  get admitted(): boolean {
    return this.#admitted;
  }

  /** The hub refused it. */
  get refused(): boolean {
    return this.#refused;
  }

  /** The ids of events that were not answered, without a reason. */
  get unanswered(): number[] {
    return this.#excused || this.#reasonSaid ? [] : [...this.#waiting.keys()];
  }

  /** The hub may end the connection without a reason: the input is no packet, or it ends the connection itself. */
  excuse(): void {
    this.#excused = true;
    this.#sentMore = true;
  }

  sent(packet: string): void {
    if (!packet.startsWith("4") || packet.startsWith("41")) this.excuse();
    if (!this.#admitted) this.#sentMore = true;
    const id = this.#admitted ? EVENT_WITH_ID.exec(packet)?.[1] : undefined;
    if (id !== undefined) this.#waiting.set(Number(id), (this.#waiting.get(Number(id)) ?? 0) + 1);
  }

  received(packet: string): void {
    if (this.#forbidden.some((text) => packet.includes(text))) this.wrong ??= packet.slice(0, 2_000);
    const id = ANSWER.exec(packet)?.[1];
    if (id !== undefined) this.#answered(Number(id));
    else if (packet.startsWith('42["welcome"')) this.#admitted = true;
    else if (packet.startsWith("44")) this.#refused = true;
    else if (packet.startsWith('42["closing"')) this.#reasonSaid = true;
  }

  #answered(id: number): void {
    const left = (this.#waiting.get(id) ?? 0) - 1;
    if (left < 0 && !this.#sentMore)
      this.wrong ??= `An answer to event ${id}, which was not sent or was answered before.`;
    if (left > 0) this.#waiting.set(id, left);
    else this.#waiting.delete(id);
  }
}
