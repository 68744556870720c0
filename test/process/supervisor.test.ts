import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { restartDelayMs } from "../../hub/process/supervisor.ts";
import { HubProcess, withFolder } from "../support/faults.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("several processes on one port");
const LIMIT_MS = 60_000;
const NEVER_MS = "600000";

/** A running supervisor of tiny hubs. */
interface Tiny {
  supervisor: HubProcess;
  url: string;
  get(path?: string): Promise<string>;
  /** The pids of the processes that serve the port; waits for `count` of them. */
  pids(count: number): Promise<number[]>;
  /** From now on processes fail to start at these places. */
  failAt(...places: number[]): void;
  healed(): void;
}

const PROGRAM = "test/support/tiny-hub.ts";

function withTiny(env: Record<string, string>, body: (tiny: Tiny) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const fault = join(folder, "fault");
    const supervisor = await HubProcess.start(folder, { FAULT: fault, ...env }, PROGRAM);
    const url = /serves (\S+)/.exec(supervisor.output)?.[1] ?? "";
    // A connection that is kept may end with its process while a request is on its way: each request has its own.
    const get = async (path = "/") => (await fetch(url + path, { headers: { connection: "close" } })).text();
    const pids = async (count: number) => {
      const seen = new Set<number>();
      await until(`${count} processes answer`, async () => seen.add(Number(await get())).size >= count, 20_000);
      return [...seen];
    };
    const failAt = (...places: number[]) => writeFileSync(fault, places.join());
    try {
      await body({ supervisor, url, get, pids, failAt, healed: () => rmSync(fault) });
    } finally {
      await supervisor.stop();
    }
  });
}

const gone = (pids: readonly number[]) =>
  until(`${pids} have ended`, () => pids.every((pid) => HubProcess.isGone(pid)), 15_000);

const count = (text: string, part: string) => text.split(part).length - 1;

for (const { failures, ranMs, waitsMs } of [
  { failures: 0, ranMs: 3_600_000, waitsMs: 0 },
  { failures: 0, ranMs: 0, waitsMs: 1_000 },
  { failures: 1, ranMs: 400, waitsMs: 600 },
  { failures: 3, ranMs: 0, waitsMs: 4_000 },
  { failures: 50, ranMs: 0, waitsMs: 30_000 },
]) {
  test(`after ${failures} failed starts, ${ranMs} ms after the last one, a place waits ${waitsMs} ms`, () => {
    is(restartDelayMs({ failures, ranMs }), waitsMs);
  });
}

test(
  "a process that crashes is started again, and the others serve in the meantime",
  () =>
    withTiny({}, async ({ supervisor, get, pids }) => {
      const before = await pids(2);
      const crashed = Number(await get("/crash"));
      const survivor = before.find((pid) => pid !== crashed);
      await gone([crashed]);
      // Until the supervisor detects it, one more connection may be passed to it, and is ended.
      is(Number(await until("the other one answers", () => get())), survivor);
      const after = await pids(2);
      ok(after.includes(survivor ?? 0) && !after.includes(crashed), `${before} then ${after}`);
      await until("it is logged", () => /"code":3,.*ended unexpectedly/.test(supervisor.output));
    }),
  LIMIT_MS,
);

test(
  "a connection that a process had not accepted yet when it died is ended, and does not wait",
  () =>
    withTiny({}, async ({ get, pids }) => {
      const [frozen = 0] = await pids(2);
      process.kill(frozen, "SIGSTOP");
      let answered = 0;
      const ask = async () => {
        await get();
        answered += 1;
      };
      const asked = Promise.allSettled([ask(), ask(), ask()]);
      await until("it holds one connection, the others are answered", () => answered === 2);
      process.kill(frozen, "SIGKILL");
      is((await asked).filter(({ status }) => status === "rejected").length, 1);
    }),
  LIMIT_MS,
);

test(
  "if no process starts, the fault is reported once, and the supervisor ends with 1",
  () =>
    withFolder(async (folder) => {
      const fault = join(folder, "fault");
      writeFileSync(fault, "1,2,3");
      const supervisor = HubProcess.spawn(folder, { FAULT: fault, PROCESSES: "3" }, PROGRAM);
      is(await supervisor.exited, 1);
      is(count(supervisor.output, "FAULT is there"), 1, supervisor.output);
    }),
  LIMIT_MS,
);

test(
  "if all have crashed and none starts again, the supervisor ends with 1",
  () =>
    withTiny({}, async ({ supervisor, get, pids, failAt }) => {
      await pids(2);
      failAt(1, 2);
      await get("/crash");
      await get("/crash");
      is(await supervisor.exited, 1);
      for (const place of [1, 2]) match(supervisor.output, new RegExp(`"process":${place},.*failed to start`));
    }),
  LIMIT_MS,
);

test(
  "a process that fails to start is retried, at most once a second, while another one serves",
  () =>
    withTiny({}, async ({ supervisor, get, pids, failAt, healed }) => {
      const [kept = 0, crashed = 0] = await pids(2);
      failAt(1, 2);
      process.kill(crashed, "SIGKILL");
      const since = performance.now();
      await until("two starts failed", () => count(supervisor.output, "FAULT is there") === 2, 20_000);
      ok(performance.now() - since > 1_000);
      is(Number(await get()), kept);
      healed();
      ok((await pids(2)).includes(kept));
    }),
  LIMIT_MS,
);

test(
  "SIGHUP replaces the processes one after the other, and the port answers all the time",
  () =>
    withTiny({ PROCESSES: "3" }, async ({ supervisor, url, get, pids }) => {
      const before = await pids(3);
      const held = get("/hold");
      supervisor.kill("SIGHUP");
      const serving: number[] = [];
      const answers = new Set<string>();
      while (!before.every((pid) => HubProcess.isGone(pid))) {
        answers.add(await get());
        serving.push(Number(/^hub_processes_serving (\d+)/m.exec(await get("/metrics"))?.[1]));
      }
      ok(answers.size > 3, `${answers.size} processes have answered`);
      ok(Math.min(...serving) >= 3, `never fewer than three serve: ${serving}`);
      is(await held, "goodbye", "a client in progress was served until its process ended");
      const after = await pids(3);
      equal(
        after.filter((pid) => before.includes(pid)),
        [],
      );
      is((await fetch(url)).status, 200);
      is(count(supervisor.output, "ended unexpectedly"), 0, supervisor.output);
    }),
  LIMIT_MS,
);

test(
  "a replacement that fails to start ends the rolling restart, and the serving processes stay",
  () =>
    withTiny({}, async ({ supervisor, pids, failAt, healed }) => {
      const before = await pids(2);
      failAt(2);
      supervisor.kill("SIGHUP");
      await until("it is reported", () => supervisor.output.includes("the other processes stay"), 20_000);
      const halfway = await pids(2);
      is(halfway.filter((pid) => before.includes(pid)).length, 1, `${before} then ${halfway}`);
      healed();
      supervisor.kill("SIGHUP");
      await gone(halfway);
      is((await pids(2)).length, 2);
    }),
  LIMIT_MS,
);

test(
  "a process that hangs in its drain is killed after its time, and the restart continues",
  () =>
    withTiny({ DRAIN_MS: "200", SLACK_MS: "200" }, async ({ supervisor, get, pids }) => {
      const before = await pids(2);
      await get("/hang");
      supervisor.kill("SIGHUP");
      await gone(before);
      is((await pids(2)).filter((pid) => before.includes(pid)).length, 0);
      await until("it is logged", () => supervisor.output.includes("did not stop cleanly"));
    }),
  LIMIT_MS,
);

test(
  "SIGTERM and SIGINT drain all processes together, each serves until its clients have disconnected, and end with 0",
  async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await withTiny({}, async ({ supervisor, get, pids }) => {
        const before = await pids(2);
        const held = [get("/hold"), get("/hold")];
        await pids(2);
        // npm forwards a signal that the terminal has sent to the whole process group.
        for (const pid of before) process.kill(pid, signal);
        supervisor.kill(signal);
        supervisor.kill(signal);
        equal(await Promise.all(held), ["goodbye", "goodbye"]);
        is(await supervisor.exited, 0, supervisor.output);
        await gone(before);
      });
    }
  },
  LIMIT_MS,
);

test(
  "a process that hangs when all are stopped is killed after its time, and the supervisor ends with 1",
  () =>
    withTiny({ DRAIN_MS: "200", SLACK_MS: "200" }, async ({ supervisor, get, pids }) => {
      const before = await pids(2);
      await get("/hang");
      supervisor.kill("SIGTERM");
      is(await supervisor.exited, 1, supervisor.output);
      await gone(before);
    }),
  LIMIT_MS,
);

test(
  "a second signal ends everything immediately",
  () =>
    withTiny({ DRAIN_MS: NEVER_MS }, async ({ supervisor, get, pids }) => {
      const before = await pids(2);
      await get("/hang");
      supervisor.kill("SIGTERM");
      await until("it ends", () => supervisor.ended || supervisor.kill("SIGINT"), 10_000);
      is(await supervisor.exited, 1, supervisor.output);
      await gone(before);
    }),
  LIMIT_MS,
);

test(
  "processes whose supervisor was killed drain and end, one that hangs after its time",
  () =>
    withTiny({ DRAIN_MS: "300", SLACK_MS: "300" }, async ({ supervisor, get, pids }) => {
      const before = await pids(2);
      await get("/hang");
      const held = [get("/hold"), get("/hold")];
      await pids(2);
      supervisor.kill("SIGKILL");
      equal(await Promise.all(held), ["goodbye", "goodbye"]);
      await gone(before);
    }),
  LIMIT_MS,
);

test(
  "each process answers with the metrics of all processes, every value labelled with its process",
  () =>
    withTiny({}, async ({ get, pids }) => {
      await pids(2);
      const text = await get("/metrics");
      match(text, 'tiny_place{process="1"} 1');
      match(text, 'tiny_place{process="2"} 2');
      match(text, /^process_resident_memory_bytes\{process="supervisor"\} \d+/m);
      match(text, /^hub_processes_serving 2$/m);
      match(text, /^hub_process_crashes_total 0$/m);
      is(count(text, "# TYPE tiny_place gauge"), 1);
    }),
  LIMIT_MS,
);

test.run();
