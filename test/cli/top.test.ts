import type { LiveChannel } from "@monster-realtime/client/protocol";
import picocolors from "picocolors";
import { equal, is, match, not, ok } from "uvu/assert";
import type { Key } from "../../client-sdk/cli/terminal/full-screen.ts";
import { drawFrame, type Frame } from "../../client-sdk/cli/top/frame.ts";
import { type Reading, rate } from "../../client-sdk/cli/top/reading.ts";
import { FIRST_VIEW, press, shownChannels, type View } from "../../client-sdk/cli/top/view.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { memberOf } from "../support/people.ts";
import { suite } from "../support/suite.ts";
import { at, jsonLines, withCli } from "./support/cli.ts";
import { type Terminal, withTerminal } from "./support/terminal.ts";

const test = suite("top of the command line");
const NOW = 1_700_000_000_000;

const channel = (name: string, more: Partial<LiveChannel> = {}): LiveChannel => ({
  name,
  organizationId: "org",
  subscribers: 1,
  presentMembers: 0,
  publicationsPerSecond: 0,
  publications: 0,
  lastPublicationAt: null,
  nodes: [{ nodeId: "n1", subscribers: 1 }],
  ...more,
});

const reading = (channels: LiveChannel[], more: Partial<Reading> = {}): Reading => ({
  at: NOW,
  latencyMs: 1.2,
  connections: 3,
  workstations: { online: 2, busy: 1 },
  publicationsPerSecond: 4,
  channels,
  nodes: [{ nodeId: "n1", connections: 3, subscriptions: 1 }],
  silentNodes: 0,
  hasMore: false,
  ...more,
});

const frame = (more: Partial<Frame>): string[] =>
  drawFrame({
    reading: reading([channel("task:a")]),
    view: FIRST_VIEW,
    url: "http://hub",
    trouble: null,
    colors: picocolors.createColors(false),
    nowMs: NOW,
    columns: 80,
    rows: 24,
    ...more,
  });

const typed = (...keys: Key[]): View | null =>
  keys.reduce<View | null>((view, key) => (view ? press(view, key, 10) : null), FIRST_VIEW);
const letters = (text: string): Key[] => [...text].map((sequence) => ({ name: sequence, sequence }));

test("keys sort, move, filter and quit; letters typed into the filter are not commands", () => {
  is(typed({ name: "q" }), null);
  is(typed({ name: "s" }, { name: "s" })?.order, "total");
  is(typed({ name: "down" }, { name: "pagedown" }, { name: "up" })?.marked, 10);
  is(typed({ name: "up" })?.marked, 0);
  const filtering = typed(...letters("/tasq"), { name: "backspace" });
  equal([filtering?.filter, filtering?.isTyping], ["tas", true]);
  const kept = typed(...letters("/q"), { name: "return" }, { name: "down" });
  equal([kept?.filter, kept?.isTyping, kept?.marked], ["q", false, 1]);
  is(typed(...letters("/q"), { name: "escape" })?.filter, "");
});

test("sorts by the chosen order, and ties by name", () => {
  const [a, b, c] = [
    channel("task:a", { publicationsPerSecond: 1, subscribers: 2 }),
    channel("task:b", { publicationsPerSecond: 5, subscribers: 2 }),
    channel("workstation:c", { subscribers: 9 }),
  ];
  const names = (view: Partial<View>) =>
    shownChannels([c, b, a], { ...FIRST_VIEW, ...view }).map(({ name }) => name.split(":")[1]);
  equal(names({}), ["b", "a", "c"]);
  equal(names({ order: "subscribers" }), ["c", "a", "b"]);
  equal(names({ order: "name", filter: "task" }), ["a", "b"]);
});

test("computes rates between readings, never below zero after a node's end", () => {
  const before = { at: NOW - 2_000, channels: [channel("a", { publications: 10 }), channel("b", { publications: 9 })] };
  is(rate(channel("a", { publications: 20 }), NOW, before).publicationsPerSecond, 5);
  is(rate(channel("b", { publications: 1 }), NOW, before).publicationsPerSecond, 0);
  is(rate(channel("c", { publicationsPerSecond: 7 }), NOW, before).publicationsPerSecond, 7);
});

test("a frame fills a terminal of any size exactly", () => {
  const many = Array.from({ length: 50 }, (_, index) => channel(`workstation:ws_${String(index).padStart(26, "0")}`));
  for (const columns of [40, 80, 200]) {
    for (const rows of [12, 24, 60]) {
      const lines = frame({ reading: reading(many), columns, rows, view: { ...FIRST_VIEW, marked: 40 } });
      is(lines.length, rows);
      ok(
        lines.every((line) => line.length <= columns),
        `${columns}×${rows}`,
      );
      match(lines.join("\n"), rows > 12 || columns > 40 ? /40|…/ : /…/);
    }
  }
  match(frame({ reading: reading(many), rows: 24, view: { ...FIRST_VIEW, marked: 49 } }).join("\n"), /of 50/);
  match(frame({ trouble: "gone" })[0] ?? "", "http://hub   gone");
  match(frame({ reading: reading([], { silentNodes: 2 }) }).join("\n"), /2 nodes did not answer/);
});

test("prints one frame with --once, readings with --json, and otherwise needs a terminal", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.userToken), async (cli) => {
      const client = await hub.connect(hub.workstation.token);
      await client.request("subscribe", { channel: hub.taskChannel });
      const once = await cli.run(["top", "--once"]);
      is(once.code, 0, once.stderr);
      match(once.stdout, new RegExp(`\n${hub.taskChannel} +0 +1 +0 +0`));
      not.match(once.stdout, "\x1b");
      const readings = cli.start(["top", "--json", "--every", "50ms"]);
      const lines = jsonLines<Reading>((await readings.prints(2)).join("\n"));
      equal(lines[1]?.nodes[0]?.connections, 1);
      is((await readings.interrupt()).code, 130);
      const refused = await cli.run(["top"]);
      equal([refused.code, refused.stdout], [2, ""]);
      match(refused.stderr, "Use --once for one reading");
    }),
  ));

function inTerminal(
  behaviour: string,
  body: (hub: TestHub, terminal: Terminal, adminId: string) => Promise<void>,
): void {
  const run = () =>
    withHub({}, async (hub) => {
      const admin = await memberOf(hub, { [hub.organizationId]: "admin" });
      await withTerminal(at(hub.url, admin.token), (terminal) => body(hub, terminal, admin.id));
    });
  test.needing("tmux")(behaviour, run, 60_000);
}

inTerminal("uses the alternate screen, and restores the terminal", async (hub, terminal) => {
  const client = await hub.connect(hub.workstation.token);
  await client.request("subscribe", { channel: hub.taskChannel });
  terminal.type("echo before; monster-realtime top --every 200ms");
  const screen = await terminal.shows(/^task:\S+ +0 +1 +0 +0/m);
  not.match(screen, "before");
  match(screen, /1 nodes?|NODE/);
  await client.request("subscribe", { channel: hub.workstation.channel });
  await terminal.shows(/^workstation:\S+ +0 +1 /m);
  terminal.press("s");
  await terminal.shows(/s sort: subscribers/);
  terminal.typeOnly("/task");
  not.match(await terminal.shows(/filter: task_/), /^workstation:/m);
  terminal.press("Escape");
  await terminal.shows(/^workstation:/m);
  terminal.resize(60, 14);
  await terminal.shows(/^task:\S+ +0 +1$/m);
  terminal.press("q");
  const after = await terminal.shows(/^before$/m);
  not.match(after, "sort:");
  await terminal.prompted();
  terminal.type("echo code $?; stty -a | grep -o ' echo '");
  await terminal.shows(/code 0\n echo/);
});

inTerminal("restores the terminal on Ctrl-C, and when the hub ends the client", async (hub, terminal, adminId) => {
  terminal.type("monster-realtime top --every 200ms");
  await terminal.shows(/q quit/);
  terminal.press("C-c");
  await terminal.prompted();
  terminal.type("echo code $?");
  not.match(await terminal.shows(/^code 130$/m), "q quit");
  await terminal.clear();
  terminal.type("monster-realtime top --every 200ms");
  await terminal.shows(/q quit/);
  await hub.database.query((sql) => sql`DELETE FROM organization_memberships WHERE user_id = ${adminId}`);
  await terminal.prompted();
  terminal.type("echo code $?");
  const screen = await terminal.shows(/^error: .*/m);
  not.match(screen, /q quit| {4}at /);
  await terminal.prompted();
  terminal.type("stty -a | grep -o ' echo '");
  await terminal.shows(/^ echo/m);
});

test.run();
