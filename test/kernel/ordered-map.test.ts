import fc from "fast-check";
import { equal, is } from "uvu/assert";
import { OrderedMap } from "../../hub/kernel/ordered-map.ts";
import { suite } from "../support/suite.ts";

const test = suite("a map that is read in the order of its keys");

const key = fc.string({ minLength: 0, maxLength: 3, unit: fc.constantFrom("a", "b", "Z", "é", "\u{1F600}", "\uFFFF") });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("set" as const), key, value: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.constant({ kind: "clear" as const }) },
);

const inOrder = (map: Map<string, number>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

test("it holds the same entries as a map, and returns each part like a sorted list", () => {
  const parts = fc.record({ key, inclusive: fc.boolean(), count: fc.integer({ min: 0, max: 9 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.array(parts), (steps, asked) => {
      const [map, model] = [new OrderedMap<number>(), new Map<string, number>()];
      for (const one of steps) {
        for (const each of [map, model]) {
          if (one.kind === "set") each.set(one.key, one.value);
          else if (one.kind === "delete") each.delete(one.key);
          else each.clear();
        }
      }
      for (const { count, ...bound } of asked) {
        const behind = inOrder(model).filter(([name]) => name > bound.key || (bound.inclusive && name === bound.key));
        equal(map.from(bound, count), behind.slice(0, count));
      }
    }),
  );
});

test("with thousands of keys it is read to the end in parts of any size, after any order of insertions", () => {
  const keys = Array.from({ length: 5_000 }, (_, index) => String((index * 2_654_435_761) % 5_003).padStart(5, "0"));
  for (const added of [keys, [...keys].sort(), [...keys].sort().reverse()]) {
    const map = new OrderedMap<number>();
    for (const one of added) map.set(one, 1);
    for (const one of added.slice(0, 2_000)) is(map.delete(one), true);
    const left = inOrder(map).map(([name]) => name);
    for (const size of [1, 511, 512, 513, 10_000]) {
      const read: string[] = [];
      for (;;) {
        const part = map.from({ key: read.at(-1) ?? "", inclusive: read.length === 0 }, size);
        read.push(...part.map(([name]) => name));
        if (part.length < size) break;
      }
      equal(read, left);
    }
  }
});

test.run();
