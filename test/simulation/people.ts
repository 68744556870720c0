import type { Member } from "@monster-realtime/client/protocol";
import { HubError } from "../../hub/kernel/errors.ts";
import type { SimulatedNode } from "./node.ts";
import type { Scheduler } from "./scheduler.ts";

export const PEOPLE_CHANNEL = "task:task_00000000000000000000000001";
const MOST_CONNECTIONS = 3;

/** One browser tab of a person. */
interface Tab {
  id: string;
  node: SimulatedNode;
  /** The newest meta that it sent. */
  meta: number;
  dead: boolean;
  ended: boolean;
}

export interface PeopleParts {
  scheduler: Scheduler;
  /** A running node, or null. */
  anyNode(): SimulatedNode | null;
  /** Ends what people do by themselves. */
  isOver(): boolean;
  say(text: string): void;
  fail(text: string): void;
}

/** People on a task's channel, which has no owner: a member is all tabs of a person, shown with the newest meta. */
export class People {
  readonly #parts: PeopleParts;
  readonly #tabs = new Map<string, Tab[]>();
  #opened = 0;

  constructor(count: number, parts: PeopleParts) {
    this.#parts = parts;
    for (let index = 1; index <= count; index += 1) {
      const key = `user:u${index}`;
      this.#tabs.set(key, []);
      parts.scheduler.after(parts.scheduler.random(8_000), () => this.#act(key), null);
    }
  }

  /** A node has crashed: its tabs open again at another one, or not. */
  crashed(node: SimulatedNode): void {
    for (const [key, tabs] of this.#tabs) {
      for (const tab of tabs.filter((one) => one.node === node && !one.ended)) {
        tab.ended = true;
        if (!tab.dead && this.#parts.scheduler.chance(0.7)) this.#later(2_000, () => this.#open(key));
        tab.dead = true;
      }
    }
  }

  /** What the roster should not show at the end. */
  *faults(roster: ReadonlyMap<string, Member>): Generator<string> {
    for (const [key, tabs] of this.#tabs) {
      const live = tabs.filter(({ dead, ended }) => !dead && !ended);
      const member = roster.get(key);
      if ((member?.connections ?? 0) !== live.length || (live.length > 0 && member?.state !== "live"))
        yield `at the end ${key} has ${live.length} tabs, and is shown as ${JSON.stringify(member)}`;
      if (member && !live.some(({ meta }) => meta === member.meta.of))
        yield `at the end ${key} is shown with ${JSON.stringify(member.meta)}, which no tab sent last`;
    }
  }

  #act(key: string): void {
    const { scheduler, isOver } = this.#parts;
    if (isOver()) return;
    const tabs = (this.#tabs.get(key) ?? []).filter(({ dead, ended }) => !dead && !ended);
    const tab = tabs[scheduler.random(tabs.length)];
    const choice = scheduler.random(100);
    if (!tab || (choice < 35 && tabs.length < MOST_CONNECTIONS)) this.#open(key);
    else if (choice < 60) this.#atNode(tab, () => void this.#update(tab));
    else if (choice < 80) this.#end(tab, "leave");
    else this.#end(tab, "lose");
    this.#later(12_000, () => this.#act(key));
  }

  #open(key: string): void {
    const node = this.#parts.anyNode();
    if (!node) {
      this.#later(2_000, () => this.#open(key));
      return;
    }
    this.#opened += 1;
    const tab: Tab = { id: `t${this.#opened}`, node, meta: this.#opened * 1_000, dead: false, ended: false };
    this.#tabs.get(key)?.push(tab);
    this.#atNode(tab, () => void this.#join(key, tab));
  }

  async #join(key: string, tab: Tab): Promise<void> {
    if (tab.dead || tab.ended) return;
    const meta = { of: tab.meta };
    const request = { channel: PEOPLE_CHANNEL, connectionId: tab.id, key, memberKey: { userId: key }, meta };
    try {
      await tab.node.presence.join(request);
      this.#parts.say(`${tab.node.id} joined ${tab.id} of ${key}`);
    } catch (error) {
      this.#tryAgain(error, tab, () => void this.#join(key, tab));
    }
  }

  async #update(tab: Tab): Promise<void> {
    if (tab.dead || tab.ended) return;
    tab.meta += 1;
    await this.#setMeta(tab, tab.meta);
  }

  async #setMeta(tab: Tab, meta: number): Promise<void> {
    if (tab.dead || tab.ended || tab.meta !== meta) return;
    try {
      await tab.node.presence.update(PEOPLE_CHANNEL, tab.id, { of: meta });
    } catch (error) {
      // It may not have joined yet: its join shows this meta then.
      this.#tryAgain(error, tab, () => void this.#setMeta(tab, meta));
    }
  }

  #tryAgain(error: unknown, tab: Tab, again: () => void): void {
    const isKnown = error instanceof HubError && ["unavailable", "not_joined"].includes(error.code);
    if (!isKnown) this.#parts.fail(`a person's call threw ${String(error)}`);
    else if (!tab.dead && !tab.ended) this.#later(2_000, () => this.#atNode(tab, again));
  }

  /** The tab is closed, with or without a goodbye that reaches the node. */
  #end(tab: Tab, how: "leave" | "lose"): void {
    tab.dead = true;
    this.#parts.say(`${tab.id} ends: ${how}`);
    this.#atNode(tab, () => {
      if (tab.ended) return;
      tab.ended = true;
      const { presence } = tab.node;
      const ended =
        how === "leave" ? presence.leave(PEOPLE_CHANNEL, tab.id, "left") : presence.lose(PEOPLE_CHANNEL, tab.id);
      ended.catch((error: unknown) => {
        if (!(error instanceof HubError)) this.#parts.fail(`${how} threw ${String(error)}`);
      });
    });
  }

  #atNode(tab: Tab, work: () => void): void {
    const { scheduler } = this.#parts;
    const ms = 1 + (scheduler.chance(0.1) ? scheduler.random(3_000) : scheduler.random(10));
    scheduler.after(ms, work, tab.node.life);
  }

  #later(ms: number, work: () => void): void {
    this.#parts.scheduler.after(500 + this.#parts.scheduler.random(ms), work, null);
  }
}
