import { is } from "uvu/assert";
import { Standstill } from "../../hub/presence/standstill.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("standstill");

/** Blocks the process, as if it were stopped. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("is detected before other work runs, and for a moment afterwards; being busy is not a standstill", async () => {
  const standstill = new Standstill();
  try {
    is(standstill.recent, false);
    standStill(200);
    is(standstill.recent, false);
    standStill(700);
    is(standstill.recent, true);
    await new Promise((resolve) => setImmediate(resolve));
    is(standstill.recent, true);
    await until("it is over", () => !standstill.recent);
  } finally {
    standstill.close();
  }
});

test.run();
