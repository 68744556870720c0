import type { Socket } from "node:net";
import { until } from "../support/until.ts";
import { Answers } from "./answers.ts";
import { type AttackedHub, SECRET } from "./attacked-hub.ts";
import type { Actor, Attack, Input } from "./inputs/attack.ts";
import { withNames } from "./inputs/names.ts";
import { exchangeHttp } from "./links/http-exchange.ts";
import type { Link } from "./links/link.ts";
import { PollingLink } from "./links/polling.ts";
import { WebSocketLink } from "./links/web-socket.ts";
import type { Tenant } from "./tenants.ts";

const FORBIDDEN = [SECRET, '"code":"internal"'];
/** The hub answers within 5 s; the rest is a margin for a busy machine. */
const ANSWER_LIMIT_MS = 10_000;
/** The number of inputs after one that may end its connection. */
const INPUTS_AFTER_FAULT = 3;

/** Sends an attack, and waits for the answers. Throws an error with every broken promise of the hub. */
export async function play(hub: AttackedHub, names: Tenant, attack: Attack): Promise<void> {
  const player = new Player(hub, names, attack.actors);
  try {
    for (const { actor, input } of attack.steps) await player.step(actor, input);
    await player.settled();
  } finally {
    player.destroy();
  }
  const faults = [...player.faults(), hub.fault()].filter((fault) => fault !== null);
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

class Player {
  readonly #hub: AttackedHub;
  readonly #names: Tenant;
  readonly #actors: readonly Actor[];
  readonly #current = new Map<number, { link: Link; left: number }>();
  /** Actors with an invalid token: their rows were deleted or suspended. */
  readonly #shutOut = new Set<number>();
  readonly #links: Link[] = [];
  readonly #exchanges: Socket[] = [];
  readonly #http = new Answers(FORBIDDEN);

  constructor(hub: AttackedHub, names: Tenant, actors: readonly Actor[]) {
    this.#hub = hub;
    this.#names = names;
    this.#actors = actors;
  }

  async step(index: number, input: Input): Promise<void> {
    const name = (text: string) => withNames(text, this.#names);
    if (input.kind === "http") {
      this.#exchanges.push(exchangeHttp(this.#hub.url, name(input.text), this.#http));
      return;
    }
    const actor = this.#actors[index];
    if (!actor || this.#shutOut.has(index)) return;
    const current = await this.#connected(index, actor);
    if (current.link.answers.refused && actor.principal !== "nobody") this.#shutOut.add(index);
    current.link.send(input, name);
    if (current.left < Number.POSITIVE_INFINITY) current.left -= 1;
    else if (mayEndIt(actor, input)) current.left = INPUTS_AFTER_FAULT;
  }

  /** Resolves when every event was answered or needs no answer, or when the time is up. */
  async settled(): Promise<void> {
    const done = () => this.#links.every(({ ended, answers }) => ended || answers.unanswered.length === 0);
    const over = performance.now() + ANSWER_LIMIT_MS;
    await until("every event is answered", () => done() || performance.now() > over, ANSWER_LIMIT_MS * 2);
  }

  faults(): string[] {
    const faults = this.#links.flatMap(({ answers, ended }) => [
      ...(answers.wrong === null ? [] : [`A client received: ${answers.wrong}`]),
      ...(answers.unanswered.length === 0
        ? []
        : [
            `Not answered: the events ${answers.unanswered.join(", ")}; the connection ${ended ? "ended without a reason" : "is open"}.`,
          ]),
    ]);
    if (this.#http.wrong !== null) faults.push(`An HTTP client received: ${this.#http.wrong}`);
    return faults;
  }

  destroy(): void {
    for (const link of this.#links) link.destroy();
    for (const exchange of this.#exchanges) exchange.destroy();
  }

  async #connected(index: number, { transport, principal }: Actor): Promise<{ link: Link; left: number }> {
    const known = this.#current.get(index);
    if (known && known.left > 0 && !known.link.ended) return known;
    const Transport = transport === "websocket" ? WebSocketLink : PollingLink;
    const token = this.#names.get(principal);
    const connect = token === undefined ? null : `40${JSON.stringify({ token })}`;
    const link = new Transport({ url: this.#hub.url, answers: new Answers(FORBIDDEN), connect });
    this.#links.push(link);
    const fresh = { link, left: Number.POSITIVE_INFINITY };
    this.#current.set(index, fresh);
    await link.ready;
    return fresh;
  }
}

/** Whether the hub may end the connection for this input: many later inputs would be lost. */
function mayEndIt({ principal }: Actor, input: Input): boolean {
  if (input.kind === "frames" || principal === "nobody") return true;
  const packets = input.kind === "packets" ? input.packets : input.kind === "fragments" ? [input.packet] : [];
  return packets.some((packet) => !/^42\d{0,15}[[{"]/.test(packet));
}
