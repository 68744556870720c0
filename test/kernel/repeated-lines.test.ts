import { equal, ok } from "uvu/assert";
import { RepeatedLines } from "../../hub/kernel/repeated-lines.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("repeated log lines");

test("the first line of a key is written immediately, the others of its interval as one with their count", async () => {
  const written: string[] = [];
  const lines = new RepeatedLines(100);
  const write = (key: string, text: string) => lines.write(key, (count) => void written.push(`${text} ${count}`));
  write("b", "other");
  write("a", "first");
  for (let line = 0; line < 1_000; line += 1) write("a", `line ${line}`);
  equal(written, ["other 1", "first 1"]);
  await until("the interval is over", () => written.length > 2);
  equal(written.slice(2), ["line 999 1000"]);
  write("b", "again");
  equal(written.at(-1), "again 1", "nothing was held back of this key");
  lines.close();
});

test("keys beyond the limit count together", () => {
  const written: number[] = [];
  const lines = new RepeatedLines(60_000);
  for (let key = 0; key < 100_000; key += 1) lines.write(String(key), (count) => void written.push(count));
  ok(written.length <= 1_001, `${written.length} lines`);
  lines.close();
  equal(
    written.reduce((sum, count) => sum + count, 0),
    100_000,
    "closing writes the pending lines",
  );
});

test.run();
