import type { LiveChannel, LiveConnection, PublishReply } from "@monster-realtime/client/protocol";
import { equal, is, match, not, ok } from "uvu/assert";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, type Cli, jsonLines, withCli } from "./support/cli.ts";
import { withTerminal } from "./support/terminal.ts";

const test = suite("channels, connections, kick and trace of the command line");

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>) =>
  withHub({}, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

test("lists channels with subscribers, narrowed by prefix and sorted", () =>
  withBoth(async (hub, cli) => {
    const [one, other] = await hub.connectAll(hub.serviceToken, hub.workstation.token);
    for (const client of [one, other]) await client.request("subscribe", { channel: hub.taskChannel });
    await other.request("subscribe", { channel: hub.workstation.channel });
    await one.request("publish", { channel: hub.workstation.channel, type: "note", payload: 1 });
    const all = jsonLines<LiveChannel>((await cli.run(["channels", "--json"])).stdout);
    equal(
      all.map(({ name, subscribers, publications }) => [name, subscribers, publications]),
      [
        [hub.taskChannel, 2, 0],
        [hub.workstation.channel, 1, 1],
      ],
    );
    const byRate = await cli.run(["channels", "--sort", "rate"]);
    match(byRate.stdout, new RegExp(`^${hub.workstation.channel}\t1\t0\t0\\.\\d+\t1\t`));
    is((await cli.run(["channels", "--prefix", "task:"])).stdout.split("\n").length, 2);
    match((await cli.run(["channels", "--prefix", "project:"])).stderr, "No channel has subscribers");
    match((await cli.run(["channels", "--limit", "1"])).stderr, "Only the first 1 are shown");
  }));

test("watches channels: a line for each changed channel, until Ctrl-C", () =>
  withBoth(async (hub, cli) => {
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel: hub.taskChannel });
    const watching = cli.start(["channels", "--watch", "--every", "50ms", "--json"]);
    await watching.prints(1);
    await client.request("subscribe", { channel: hub.workstation.channel });
    await watching.prints(2);
    await client.request("unsubscribe", { channel: hub.taskChannel });
    await watching.prints(3);
    const { code, stdout } = await watching.interrupt();
    is(code, 130);
    equal(
      jsonLines<LiveChannel>(stdout).map(({ name, subscribers }) => [name, subscribers]),
      [
        [hub.taskChannel, 1],
        [hub.workstation.channel, 1],
        [hub.taskChannel, 0],
      ],
    );
  }));

test("lists connections, and kicks one with confirmation", () =>
  withBoth(async (hub, cli) => {
    const machine = await hub.connect(hub.workstation.token);
    await machine.request("subscribe", { channel: hub.taskChannel });
    const listed = async (...narrowed: string[]) =>
      jsonLines<LiveConnection>((await cli.run(["connections", "--json", ...narrowed])).stdout);
    const [found] = await listed("--workstation", hub.workstation.id);
    is(found?.id, machine.socket.id);
    equal((await listed("--channel", hub.taskId)).length, 1);
    equal(await listed("--user", hub.userId, "--channel", hub.workstation.channel), []);
    const { stdout } = await cli.run(["connections"]);
    match(stdout, `${found?.id}\tworkstation:${hub.workstation.id}\t`);
    const id = found?.id ?? "";
    const unasked = await cli.run(["kick", "--", id]);
    is(unasked.code, 2);
    match(unasked.stderr, /No terminal to ask for confirmation\. Confirm with --yes/);
    is((await cli.run(["kick", "--yes", "--reason", "too old", "--", id])).stdout, `${id}\n`);
    await until("it is disconnected", () => !machine.socket.connected);
    const again = await cli.run(["kick", "--yes", "--", id]);
    equal([again.code, again.stdout], [5, ""]);
  }));

test("members are refused the lists of connections and channels", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.workstation.token), async (cli) => {
      const results = await Promise.all([cli.run(["connections"]), cli.run(["channels"]), cli.run(["trace", "x"])]);
      for (const { code, stdout, stderr } of results) {
        equal([code, stdout], [5, ""]);
        not.match(stderr, /\n {4}at /);
      }
    }),
  ));

test("traces a publication from its publisher to its deliveries", () =>
  withBoth(async (hub, cli) => {
    const [machine, watcher] = await hub.connectAll(hub.workstation.token, hub.userToken);
    const channel = hub.taskChannel;
    await watcher.request("subscribe", { channel });
    const { id } = (await machine.request("publish", { channel, type: "note", payload: 1 })) as PublishReply;
    await watcher.push("publications");
    const plain = (await cli.run(["trace", id])).stdout.trimEnd().split("\n");
    const [published = "", delivered = "", ...rest] = plain;
    equal(rest, []);
    match(published, new RegExp(`^published\t.*Z\t.*\tworkstation:${hub.workstation.id}\t${channel}\t1\tnote$`));
    match(delivered, new RegExp(`\tuser:${hub.userId}\t${watcher.socket.id}\tlive$`));
    const [trace] = jsonLines<{ deliveries: unknown[] }>((await cli.run(["trace", id, "--json"])).stdout);
    is(trace?.deliveries.length, 1);
    const unknown = await cli.run(["trace", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    is(unknown.code, 5);
    match(unknown.stderr, /No node remembers a publication 01ARZ3NDEKTSV4RRFFQ69G5FAV/);
  }));

test("explains why a workstation is offline, with its earlier transitions", () =>
  withBoth(async (hub, cli) => {
    const { id, channel, token } = hub.workstation;
    const never = await cli.run(["why-offline", id]);
    match(never.stdout, `Machine (${id}) was never online`);
    const machine = await hub.connect(token);
    await machine.request("presence.join", { channel, meta: meta() });
    await hub.writeBackSettled();
    match((await cli.run(["why-offline", id])).stdout, /is online since [\d:]+, for \d+s now, on /);
    const connectionId = machine.socket.id;
    machine.close();
    await until("the transition is stored", async () => /is offline/.test((await cli.run(["why-offline", id])).stdout));
    const { stdout } = await cli.run(["why-offline", `workstation:${id}`]);
    const [sentence = "", remedy = "", ...lines] = stdout.trimEnd().split("\n");
    match(
      sentence,
      /is offline since .* because its agent disconnected on purpose, reported by .*; it was last on connection /,
    );
    ok(sentence.includes(`${connectionId} on ${hub.node.hub.nodeId}`), sentence);
    match(remedy, "Start its agent again");
    equal(
      lines.map((line) => line.split("\t").slice(1, 4)),
      [
        ["online", "offline", ""],
        ["offline", "online", "left"],
      ],
    );
    match((await cli.run(["why-offline", id, "--at", "1h"])).stdout, /The state of Machine .* is unknown/);
    is((await cli.run(["why-offline", id, "--at", "noonish"])).code, 2);
    is((await cli.run(["why-offline", "ws_01ARZ3NDEKTSV4RRFFQ69G5FAV"])).code, 5);
  }));

const KICK = "kick shows the connection's owner and asks; only yes ends it";
const kickInTerminal = () =>
  withHub({}, (hub) =>
    withTerminal(at(hub.url, hub.userToken), async (terminal) => {
      const machine = await hub.connect(hub.workstation.token);
      terminal.type(`monster-realtime kick -- ${machine.socket.id}`);
      await terminal.shows(new RegExp(`End the connection \\S+ of workstation:${hub.workstation.id} .*\\? \\[y/N\\]`));
      terminal.press("Enter");
      await terminal.shows(/Nothing was done/);
      ok(machine.socket.connected);
      await terminal.clear();
      terminal.type(`monster-realtime kick -- ${machine.socket.id}`);
      await terminal.shows(/\[y\/N\]/);
      terminal.press("C-c");
      await terminal.prompted();
      terminal.type("echo code $?");
      await terminal.shows(/^code 130$/m);
      await terminal.clear();
      terminal.type(`monster-realtime kick -- ${machine.socket.id}`);
      await terminal.shows(/\[y\/N\]/);
      terminal.type("y");
      await terminal.shows(/The connection was ended/);
      await until("it is disconnected", () => !machine.socket.connected);
    }),
  );
test.needing("tmux")(KICK, kickInTerminal, 60_000);

test.run();
