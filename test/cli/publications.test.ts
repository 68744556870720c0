import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Publication } from "@monster-realtime/client/protocol";
import { equal, is, match } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { at, type Cli, jsonLines, withCli } from "./support/cli.ts";

const test = suite("publish and history of the command line");

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>, env: Record<string, string> = {}) =>
  withHub({ env }, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

const historyOf = async (cli: Cli, channel: string, ...more: string[]) =>
  jsonLines<Publication & { event: string }>((await cli.run(["history", channel, "--json", ...more])).stdout);

const payloadsOf = async (cli: Cli, channel: string, ...more: string[]) =>
  (await historyOf(cli, channel, ...more)).map(({ payload }) => payload);

test("publishes JSON, text, files and stdin, and prints the position of each", () =>
  withBoth(async (hub, cli) => {
    const file = join(cli.home, "payload.json");
    writeFileSync(file, '{"from":"file"}');
    const publish = (...args: string[]) => ["publish", hub.taskId, "note", ...args];
    const first = await cli.run(publish('{"a":1}'));
    match(first.stdout, /^#1\t[0-9A-Z]{26}\n$/);
    await cli.run(publish("--text", "just words"));
    await cli.run(publish(`@${file}`));
    await cli.run(publish("-"), { stdin: "[1]" });
    await cli.run(publish());
    await cli.run(publish("--text", "--lines", "-"), { stdin: "one\ntwo\n" });
    equal(await payloadsOf(cli, hub.taskChannel), [{ a: 1 }, "just words", { from: "file" }, [1], null, "one", "two"]);
  }));

test("publishes many times with a counter, and one id once", () =>
  withBoth(async (hub, cli) => {
    const many = await cli.run(["publish", hub.taskId, "tick", '{"n":{{n}}}', "-n", "3", "--every", "10ms", "--json"]);
    equal(
      jsonLines<{ offset: number }>(many.stdout).map(({ offset }) => offset),
      [1, 2, 3],
    );
    equal(await payloadsOf(cli, hub.taskChannel), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    const once = ["publish", hub.taskId, "note", "1", "--id", "01ARZ3NDEKTSV4RRFFQ69G5FAV"];
    await cli.run(once);
    is((await cli.run(once)).stdout, "#4\t01ARZ3NDEKTSV4RRFFQ69G5FAV\tduplicate\n");
  }));

test("does not store ephemeral publications", () =>
  withBoth(async (hub, cli) => {
    match((await cli.run(["publish", hub.taskId, "note", "1", "--ephemeral"])).stdout, /^ephemeral\t/);
    const { stdout, stderr, code } = await cli.run(["history", hub.taskId]);
    equal([stdout, code], ["", 0]);
    match(stderr, "No stored publication matches");
  }));

test("prints the history: the newest, by type, after an offset, since a time, in reverse", () =>
  withBoth(
    async (hub, cli) => {
      const client = await hub.connect(hub.serviceToken);
      const numbers = Array.from({ length: 620 }, (_, index) => index + 1);
      const publish = (n: number) => ({ channel: hub.taskChannel, type: n % 2 ? "odd:one" : "even.one", payload: n });
      await Promise.all(numbers.map((n) => client.request("publish", publish(n))));
      const shown = (...more: string[]) => payloadsOf(cli, hub.taskChannel, ...more);
      const [newest, odd, after, since] = await Promise.all([
        shown(),
        shown("--type", "odd:*", "--limit", "3"),
        shown("--since", "618", "--reverse"),
        shown("--since", "2020-01-01T00:00:00Z", "--limit", "1"),
      ]);
      equal([newest, odd, after, since], [numbers.slice(-50), [615, 617, 619], [620, 619], [620]]);
      const all = await historyOf(cli, hub.taskChannel, "--since", "1h");
      equal([all.length, all[0]?.event, all.at(-1)?.offset], [601, "trimmed", 620]);
    },
    { HISTORY_SIZE: "600", PUBLISHES_PER_SECOND: "10000", REQUESTS_PER_SECOND: "10000" },
  ));

test("prints tab-separated lines into a pipe, with control characters escaped", () =>
  withBoth(async (hub, cli) => {
    await cli.run(["publish", hub.taskId, "note", '{"text":"\\u001b[31mred\\u009b\\n"}']);
    const { stdout } = await cli.run(["history", hub.taskId]);
    const fields = stdout.trimEnd().split("\t");
    equal(fields.slice(1, 5), [hub.taskChannel, "1", "note", `user:${hub.userId}`]);
    equal(fields[5], '{"text":"\\u001b[31mred\\x9b\\n"}');
  }));

test.run();
