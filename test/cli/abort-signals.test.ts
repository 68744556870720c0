import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { is } from "uvu/assert";
import { withTimeLimit } from "../../client-sdk/cli/kernel/abort-signals.ts";
import { suite } from "../support/suite.ts";

const test = suite("time limits of the command line");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** How a signal ended that only its listener still references. */
async function outcome(signal: AbortSignal, ms: number): Promise<unknown> {
  const aborted = once(withTimeLimit(signal, ms).signal, "abort");
  const collecting = setInterval(collect, 10);
  const [{ target }] = await aborted.finally(() => clearInterval(collecting));
  return (target as AbortSignal).reason;
}

test("a limit ends a wait although garbage was collected in between", async () => {
  const reason = await outcome(new AbortController().signal, 100);
  is((reason as Error).name, "TimeoutError");
});

test("a signal that aborts first ends the wait with its reason", async () => {
  const reason = new Error("interrupted");
  const aborted = new AbortController();
  const ending = outcome(aborted.signal, 60_000);
  aborted.abort(reason);
  is(await ending, reason);
  is(withTimeLimit(aborted.signal, 60_000).signal.reason, reason);
});

test("isOver is true only after the time limit", async () => {
  const stopped = new AbortController();
  const limit = withTimeLimit(stopped.signal, 60_000);
  stopped.abort();
  is(limit.isOver, false);
  const late = withTimeLimit(new AbortController().signal, 1);
  await once(late.signal, "abort");
  is(late.isOver, true);
});

test.run();
