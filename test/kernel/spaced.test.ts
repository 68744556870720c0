import { is, ok } from "uvu/assert";
import { Spaced } from "../../hub/kernel/spaced.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("spaced calls");
const INTERVAL_MS = 50;

test("the first call comes immediately, and all requests in the interval become one call at its end", async () => {
  // Timers count from the beginning of their turn of the event loop.
  await new Promise((resolve) => setImmediate(resolve));
  const calls: number[] = [];
  const spaced = new Spaced(() => calls.push(performance.now()), INTERVAL_MS);
  spaced.ask();
  is(calls.length, 1);
  for (let count = 0; count < 100; count++) spaced.ask();
  is(calls.length, 1);
  await until("the call for all requests", () => calls.length === 2);
  const [first = 0, second = 0] = calls;
  ok(second - first >= INTERVAL_MS - 5, `${second - first} ms between them`);
  spaced.ask();
  await until("the call for the request after it", () => calls.length === 3);
});

test.run();
