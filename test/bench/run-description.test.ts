import { is, match, ok } from "uvu/assert";
import { describeRun, formatRun } from "../../scripts/bench/run-description.ts";
import { suite } from "../support/suite.ts";

const test = suite("the head of a benchmark's result");

test("has the time, the commit and the machine of the figures", () => {
  const run = describeRun(new Date(Date.UTC(2026, 0, 2, 3, 4, 5)));
  is(run.startedAt, "2026-01-02T03:04:05.000Z");
  is(run.node, process.version);
  ok(run.cores >= 1 && run.memoryBytes > 0 && run.cpu.length > 0);
});

test("is one line with the time, the commit, the machine and Node", () => {
  const run = {
    startedAt: "2026-01-02T03:04:05.000Z",
    commit: "0123456789ab+",
    node: "v20.11.0",
    cpu: "A CPU",
    cores: 2,
  };
  is(
    formatRun({ ...run, memoryBytes: 8 * 2 ** 30 }),
    "2026-01-02T03:04:05.000Z  commit 0123456789ab+  A CPU, 2 cores, 8.0 GiB  Node v20.11.0",
  );
  match(formatRun({ ...run, commit: null, memoryBytes: 0 }), "commit unknown");
});

test.run();
