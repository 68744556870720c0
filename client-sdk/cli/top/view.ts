import type { LiveChannel } from "../../protocol/index.ts";
import type { Key } from "../terminal/full-screen.ts";

const ORDERS = ["rate", "subscribers", "total", "name"] as const;
export type Order = (typeof ORDERS)[number];

/** The user's choices of the display. */
export interface View {
  order: Order;
  /** Only channels whose names contain it. */
  filter: string;
  /** Whether the user is typing the filter. */
  isTyping: boolean;
  /** The index of the marked row among the filtered ones, from 0. */
  marked: number;
}

export const FIRST_VIEW: View = { order: "rate", filter: "", isTyping: false, marked: 0 };

/** Returns the view after a key; null if the key quits. `page` is the number of rows per page. */
export function press(view: View, key: Key, page: number): View | null {
  return view.isTyping ? type(view, key) : command(view, key, page);
}

function type(view: View, { name, sequence = "" }: Key): View {
  if (name === "return" || name === "enter") return { ...view, isTyping: false };
  if (name === "escape") return { ...view, isTyping: false, filter: "", marked: 0 };
  if (name === "backspace") return { ...view, filter: view.filter.slice(0, -1), marked: 0 };
  if (!/^[\x20-\x7e]$/.test(sequence)) return view;
  return { ...view, filter: view.filter + sequence, marked: 0 };
}

function command(view: View, { name, sequence }: Key, page: number): View | null {
  if (name === "q") return null;
  if (sequence === "/") return { ...view, isTyping: true };
  if (name === "s") return { ...view, order: following(view.order), marked: 0 };
  if (name === "escape") return { ...view, filter: "", marked: 0 };
  return { ...view, marked: Math.max(0, view.marked + (steps(name, page) ?? 0)) };
}

function steps(name: string | undefined, page: number): number | undefined {
  const far = Number.MAX_SAFE_INTEGER / 2;
  const by = { up: -1, k: -1, down: 1, j: 1, pageup: -page, pagedown: page, home: -far, end: far };
  return new Map(Object.entries(by)).get(name ?? "");
}

const following = (order: Order): Order => ORDERS[(ORDERS.indexOf(order) + 1) % ORDERS.length] ?? "rate";

const COMPARISONS: Record<Order, (one: LiveChannel, other: LiveChannel) => number> = {
  rate: (one, other) => other.publicationsPerSecond - one.publicationsPerSecond,
  subscribers: (one, other) => other.subscribers - one.subscribers,
  total: (one, other) => other.publications - one.publications,
  name: () => 0,
};

/** The filtered channels, sorted. Ties are sorted by name, so that they keep their place. */
export function shownChannels(channels: readonly LiveChannel[], { filter, order }: View): LiveChannel[] {
  const byName = (one: LiveChannel, other: LiveChannel) => (one.name < other.name ? -1 : 1);
  return channels
    .filter(({ name }) => name.includes(filter))
    .sort((one, other) => COMPARISONS[order](one, other) || byName(one, other));
}
