import { equal, is, match, ok } from "uvu/assert";
import { type CuttingProxy, startCuttingProxy } from "../client-sdk/support/cutting-proxy.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, type Cli, jsonLines, type RunningCli, withCli } from "./support/cli.ts";

const test = suite("tail and presence of the command line");

type Event = Record<string, unknown>;

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>) =>
  withHub({}, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

async function withProxy(hub: TestHub, body: (proxy: CuttingProxy) => Promise<void>): Promise<void> {
  const proxy = await startCuttingProxy(hub.url);
  try {
    await body(proxy);
  } finally {
    await proxy.close();
  }
}

const publishOn =
  (hub: TestHub, channel = hub.taskChannel) =>
  async (type: string, payload: unknown) => {
    const client = await hub.connect(hub.serviceToken);
    await client.request("publish", { channel, type, payload });
    client.close();
  };

test("follows several channels from the past to live, and ends after --count publications", () =>
  withBoth(async (hub, cli) => {
    const [onTask, onWorkstation] = [publishOn(hub), publishOn(hub, hub.workstation.channel)];
    await onTask("note", "old");
    const channels = [hub.taskId, hub.workstation.channel];
    const tail = cli.start(["tail", ...channels, "--since", "10m", "--json", "--count", "3"]);
    await tail.reports(/Following 2 channels/);
    await onTask("note", "new");
    await onWorkstation("note", "there");
    const { code, stdout } = await tail.ended;
    is(code, 0);
    equal(
      jsonLines(stdout).map(({ channel, payload }) => [channel, payload]),
      [
        [hub.taskChannel, "old"],
        [hub.taskChannel, "new"],
        [hub.workstation.channel, "there"],
      ],
    );
  }));

test("prints only matching types", () =>
  withBoth(async (hub, cli) => {
    const publish = publishOn(hub);
    for (const type of ["build:started", "note", "build:done"]) await publish(type, 1);
    const { stdout } = await cli.run(["tail", hub.taskId, "--since", "all", "--type", "build:*", "-n", "2", "--json"]);
    equal(
      jsonLines(stdout).map(({ type }) => type),
      ["build:started", "build:done"],
    );
  }));

test("unsubscribes and exits with 130 on Ctrl-C, and with 143 on SIGTERM", () =>
  withBoth(async (hub, cli) => {
    for (const [signal, expected] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const tail = cli.start(["tail", hub.taskId]);
      await tail.reports(/Following/);
      tail.process.kill(signal);
      const { code, stderr } = await tail.ended;
      is(code, expected);
      is(stderr, `Following ${hub.taskChannel}. Press Ctrl-C to stop.\n`);
    }
  }));

test("exits although the hub does not answer, and immediately on the second Ctrl-C", () =>
  withBoth((hub, cli) =>
    withProxy(hub, async (proxy) => {
      const leavesWithin = async (limitMs: number, leave: (tail: RunningCli) => Promise<unknown>) => {
        const tail = cli.start(["tail", hub.taskId, "--timeout", "60s"], at(proxy.url, hub.userToken));
        await tail.reports(/Following/);
        proxy.deafen();
        const begun = performance.now();
        is((await Promise.all([tail.ended, leave(tail)]))[0].code, 130);
        ok(performance.now() - begun < limitMs);
      };
      await leavesWithin(10_000, (tail) => tail.interrupt());
      await leavesWithin(2_500, (tail) =>
        until("the end", () => {
          tail.process.kill("SIGINT");
          return tail.process.exitCode !== null;
        }),
      );
    }),
  ));

test("exits without an error when the reader closes the pipe", () =>
  withBoth(async (hub, cli) => {
    const tail = cli.start(["tail", hub.taskId]);
    await tail.reports(/Following/);
    tail.process.stdout?.destroy();
    const publish = publishOn(hub);
    await publish("note", 1);
    await publish("note", 2);
    const { code, stderr } = await tail.ended;
    is(code, 0);
    is(stderr, `Following ${hub.taskChannel}. Press Ctrl-C to stop.\n`);
  }));

test("reconnects after a cut connection, and reports the recovery", () =>
  withBoth((hub, cli) =>
    withProxy(hub, async (proxy) => {
      const tail = cli.start(["tail", hub.taskId, "--json"], at(proxy.url, hub.userToken));
      await tail.reports(/Following/);
      proxy.cut();
      await tail.reports(/Disconnected: .* Reconnecting/);
      await publishOn(hub)("note", "missed");
      await tail.reports(/Reconnected after \d/);
      const [publication, recovered] = jsonLines<Event>((await tail.prints(2)).join("\n"));
      equal([publication?.payload, recovered?.event, recovered?.publications], ["missed", "recovered", 1]);
      is((await tail.interrupt()).code, 130);
    }),
  ));

test("reports lost publications if the hub can't recover them", () =>
  withHub({ env: { HISTORY_SIZE: "2" } }, (hub) =>
    withCli(at(hub.url, hub.userToken), (cli) =>
      withProxy(hub, async (proxy) => {
        const publish = publishOn(hub);
        await publish("note", 0);
        const tail = cli.start(["tail", hub.taskId], at(proxy.url, hub.userToken));
        await tail.reports(/Following/);
        proxy.cut();
        await tail.reports(/Disconnected/);
        for (const n of [1, 2, 3, 4]) await publish("note", n);
        await tail.reports(/Lost: the hub could not recover the publications after #1\. The stream continues after #5/);
        is(tail.stdout, "");
      }),
    ),
  ));

test("prints joins, updates and leaves", () =>
  withBoth(async (hub, cli) => {
    const { channel, token } = hub.workstation;
    const tail = cli.start(["tail", channel, "--presence"]);
    await tail.reports(/Following/);
    const workstation = await hub.connect(token);
    await workstation.request("presence.join", { channel, meta: meta() });
    await workstation.request("presence.update", { channel, meta: meta({ status: "busy" }) });
    await until(
      "both lines",
      () => tail.lines.filter((line) => /\tpresence\.(?:join|update)\t/.test(line)).length === 2,
    );
    await workstation.request("presence.leave", { channel });
    await until("the leave", () => tail.lines.some((line) => line.includes("\tpresence.leave:left\t")));
    await tail.interrupt();
  }));

test("lists members as rows, and watches with a line for each change", () =>
  withBoth(async (hub, cli) => {
    const { channel, token, id } = hub.workstation;
    const workstation = await hub.connect(token);
    await workstation.request("presence.join", { channel, meta: meta({ devServerPort: 3000 }) });
    const { stdout } = await cli.run(["presence", id]);
    match(stdout, new RegExp(`^workstation:${id}\tMachine\tonline\t0\tclaude-code\t3000\t\\d+s\n$`));
    const watch = cli.start(["presence", id, "--watch", "--json"]);
    await watch.prints(1);
    await workstation.request("presence.leave", { channel });
    const [join, leave] = jsonLines<Event>((await watch.prints(2)).join("\n"));
    equal([join?.event, leave?.event, leave?.reason], ["join", "leave", "left"]);
    is((await watch.interrupt()).code, 130);
  }));

test("exits with the reason when its rights are revoked", () =>
  withBoth(async (hub, cli) => {
    const { id, token } = hub.workstation;
    const owner = await hub.connect(hub.userToken);
    const asOwner = (method: string, params: object) => owner.request("rpc", { method, params });
    const ends = [
      () => asOwner("projects.detachWorkstation", { projectId: hub.projectId, workstationId: id }),
      () => asOwner("workstations.suspend", { id }),
    ];
    for (const [index, channel] of [hub.taskChannel, hub.workstation.channel].entries()) {
      const tail = cli.start(["tail", channel], { MONSTER_REALTIME_TOKEN: token });
      await tail.reports(/Following/);
      await ends[index]?.();
      const { code, stderr } = await tail.ended;
      is(code, 5, stderr);
      match(stderr, /\nerror: [^\n]+\n$/);
    }
  }));

test.run();
