import { equal, is, match, not, ok } from "uvu/assert";
import { spreadOf } from "../../client-sdk/cli/bench/report.ts";
import { throughputRate } from "../../client-sdk/cli/bench/share.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, jsonLines, withCli } from "./support/cli.ts";

const test = suite("bench of the command line");

interface Measure {
  measure: string;
  spread: { count: number; p50: number; max: number };
  trouble: string;
}

const SHORT = ["--duration", "400ms", "--connections", "4", "--subscribers", "3", "--rate", "20"];

test("computes nearest-rank percentiles, and null without values", () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  equal(spreadOf(values), { count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  equal(spreadOf([7]), { count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
  is(spreadOf([]), null);
});

test("measures connects, latency, fan-out and throughput on a task that is deleted afterwards", () =>
  withHub({}, (hub) =>
    withCli(at("http://127.0.0.1:1", hub.userToken), async (cli) => {
      const env = at(hub.url, hub.userToken);
      const { stdout, code, stderr } = await cli.run(["bench", hub.url, "--json", ...SHORT], { env });
      is(code, 0, stderr);
      const measures = new Map(jsonLines<Measure>(stdout).map((line) => [line.measure, line]));
      is(measures.get("connect → welcome")?.spread.count, 4);
      is(measures.get("one subscriber: publish → delivery")?.spread.count, 8);
      is(measures.get("3 subscribers: publish → delivery")?.spread.count, 24);
      is(measures.get("3 subscribers: publish → last delivery")?.spread.count, 8);
      ok((measures.get("throughput: publish → ack")?.spread.count ?? 0) > 50);
      equal(
        [...measures.values()].filter(({ trouble, spread }) => trouble !== "" || spread.p50 > spread.max),
        [],
      );
      const left = await cli.run(["rpc", "tasks.list", `projectId=${hub.projectId}`, "--all"], { env });
      not.match(left.stdout, "Benchmark");
      match(left.stdout, hub.taskId);
    }),
  ));

test("publishes at the rate limit of the connections and their principal", () => {
  const limits = { publishesPerSecond: 200, principal: { publishesPerSecond: 1_000 } };
  equal(
    [1, 5, 6, 50].map((publishers) => throughputRate(publishers, limits)),
    [180, 900, 900, 900],
  );
  is(throughputRate(50, { publishesPerSecond: 200 }), 9_000, "a hub that limits no principals");
  is(throughputRate(2, null), 180);
});

test("stays within the principal's limit with many publishers", () =>
  withHub({ env: { PUBLISHES_PER_SECOND: "20", PRINCIPAL_RATE_FACTOR: "2" } }, (hub) =>
    withCli(at(hub.url, hub.userToken), async (cli) => {
      const few = ["--duration", "3s", "--connections", "8", "--subscribers", "2", "--rate", "10", "--publishers", "6"];
      const { stdout, code, stderr } = await cli.run(["bench", "--json", "--yes", ...few]);
      is(code, 0, stderr);
      const measures = jsonLines<Measure & { perSecond: number }>(stdout);
      const throughput = measures.find(({ measure }) => measure === "throughput: publish → ack");
      ok((throughput?.perSecond ?? 0) > 25 && (throughput?.perSecond ?? 0) <= 40, `${throughput?.perSecond} a second`);
      equal(
        measures.filter(({ trouble }) => trouble !== ""),
        [],
      );
    }),
  ));

test("publishes on the given task, and asks for confirmation of large loads", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.userToken), async (cli) => {
      is((await cli.run(["bench", "--channel", hub.taskId, ...SHORT])).code, 0);
      match((await cli.run(["history", hub.taskId, "--limit", "1"])).stdout, "\tbench\t");
      const much = await cli.run(["bench", "--subscribers", "90"]);
      equal([much.code, much.stdout], [2, ""]);
      match(much.stderr, /opens 91 connections to http:\S+ and makes up to \d+ deliveries per second.*--yes/);
      match((await cli.run(["bench", "--channel", hub.workstation.id])).stderr, "is not a task channel");
    }),
  ));

test("deletes its task on Ctrl-C", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.userToken), async (cli) => {
      const bench = cli.start(["bench", "--connections", "1", "--subscribers", "1", "--duration", "20s"]);
      const tasks = async () => (await hub.database.query((sql) => sql`SELECT id FROM tasks`)).length;
      await until("the task exists", async () => (await tasks()) === 2);
      is((await bench.interrupt()).code, 130);
      is(await tasks(), 1);
    }),
  ));

test.run();
