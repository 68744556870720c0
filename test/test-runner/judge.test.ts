import { equal, is } from "uvu/assert";
import { judge } from "../../scripts/test-runner/judge.ts";
import { skipLine } from "../../scripts/test-runner/skips.ts";
import { suite } from "../support/suite.ts";

const test = suite("the verdict on a test file");

const report = (total: number, passed: number, skipped: number) =>
  `  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n`;
const skips = (count: number) =>
  Array.from({ length: count }, (_, index) => `${skipLine({ needs: ["tmux"], test: `suite: ${index}` })}\n`).join("");
const counts = (output: string, exitCode: number | null) => {
  const { passed, failed, skipped } = judge(output, exitCode);
  return [passed, failed, skipped.length];
};

test("a file that passes has no failure", () => equal(counts(report(3, 3, 0), 0), [3, 0, 0]));

test("a file whose tests are all skipped did not fail", () => equal(counts(skips(2) + report(0, 0, 2), 0), [0, 0, 2]));

test("a failure counts beside a skipped test, which uvu's total omits", () => {
  equal(counts(skips(1) + report(3, 2, 1), 1), [2, 1, 1]);
  equal(counts(skips(2) + report(3, 1, 2), 1), [1, 2, 2]);
});

test("a suite whose `before` throws fails though it exits 0", () => equal(counts(report(4, 0, 0), 0), [0, 4, 0]));

test("a file that ran no test and skipped none fails", () => {
  equal(counts("", 0), [0, 1, 0]);
  equal(counts(report(0, 0, 0), 0), [0, 1, 0]);
});

test("a file that skips tests of a suite that it never runs fails", () => {
  equal(counts(skips(2) + report(1, 1, 0), 0), [1, 1, 2]);
  equal(counts(skips(2), 0), [0, 1, 2]);
});

test("a process that fails or is killed after its tests is one failure", () => {
  equal(counts(report(3, 3, 0), 1), [3, 1, 0]);
  equal(counts(report(3, 3, 0), null), [3, 1, 0]);
  equal(counts(skips(3) + report(0, 0, 3), 1), [0, 1, 3]);
});

test("the sums of all reports of a file count", () => equal(counts(report(2, 2, 0) + report(3, 1, 0), 1), [3, 2, 0]));

test("a skipped test is reported with all its requirements", () => {
  const skip = { needs: ["redis-server", "network namespaces"], test: "hubs: two [of three] are lost" };
  equal(judge(`${skipLine(skip)}\n${report(0, 0, 1)}`, 0).skipped, [skip]);
  is(judge("some SKIPPED [tmux] in a line\n", 0).skipped.length, 0);
});

test.run();
