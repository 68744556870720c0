import type { Publication } from "@monster-realtime/client";
import { equal, is } from "uvu/assert";
import {
  EMPTY_TAIL,
  type Entry,
  filtered,
  MAX_ENTRIES,
  oldestOffset,
  type Tail,
  type TailAction,
  tailAfter,
} from "../../hub/console/inspect/tail.ts";
import { suite } from "../support/suite.ts";

const test = suite("the console's channel inspector");

const publication = (offset: number, more: Partial<Publication> = {}): Publication => ({
  offset,
  id: `id-${offset}`,
  type: "note",
  payload: { n: offset },
  at: 0,
  from: null,
  ...more,
});
const published = (offset: number, more?: Partial<Publication>): TailAction => ({
  name: "published",
  publication: publication(offset, more),
});
const after = (actions: readonly TailAction[], from: Tail = EMPTY_TAIL) => actions.reduce(tailAfter, from);
const shown = (entries: readonly Entry[]) =>
  entries.map((entry) => (entry.kind === "publication" ? entry.publication.offset : entry.kind));

test("shows history before new publications, without duplicates", () => {
  const older: TailAction = { name: "older", publications: [1, 2, 3].map((n) => publication(n)), hasOlder: false };
  const tail = after([published(3), published(4), older]);
  equal(shown(tail.entries), [1, 2, 3, 4]);
  is(tail.hasOlder, false);
  is(oldestOffset(tail), 1);
});

test("marks gaps at their place", () => {
  const tail = after([published(1), { name: "recovered", count: 2 }, published(2), { name: "lost" }, published(9)]);
  equal(shown(tail.entries), [1, "recovered", 2, "lost", 9]);
  equal(shown(after([{ name: "recovered", count: 0 }]).entries), []);
});

test("holds publications while paused, and shows all of them afterwards", () => {
  const paused = after([published(1), { name: "pause" }, published(2), { name: "lost" }, published(3)]);
  equal(shown(paused.entries), [1]);
  is(paused.held?.length, 3);
  const resumed = after([{ name: "resume" }], paused);
  equal(shown(resumed.entries), [1, 2, "lost", 3]);
  is(resumed.held, null);
  is(new Set(resumed.entries.map(({ key }) => key)).size, 4);
});

test("keeps the newest entries up to the limit, also while paused", () => {
  const many = Array.from({ length: MAX_ENTRIES + 5 }, (_, index) => published(index + 1));
  equal(shown(after(many).entries).slice(0, 2), [6, 7]);
  is(after(many, after([{ name: "pause" }])).held?.length, MAX_ENTRIES);
});

test("filters by type glob and by text, newest first, and never hides a gap", () => {
  const { entries } = after([
    published(1, { type: "task:updated", payload: { title: "Büro" } }),
    { name: "lost" },
    published(2, { type: "session:progress" }),
  ]);
  equal(shown(filtered(entries, { type: "task:*", text: "" })), ["lost", 1]);
  equal(shown(filtered(entries, { type: "", text: "BÜRO" })), ["lost", 1]);
  equal(shown(filtered(entries, { type: "task.updated", text: "" })), ["lost"]);
  equal(shown(filtered(entries, { type: " ", text: " " })), [2, "lost", 1]);
});

test("loads publications older than the oldest stored one", () => {
  is(oldestOffset(after([published(7, { ephemeral: true }), published(8)])), 8);
  is(oldestOffset(EMPTY_TAIL), undefined);
});

test.run();
