import { equal, is, match, not, ok } from "uvu/assert";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { at } from "./support/cli.ts";
import { type Terminal, withTerminal } from "./support/terminal.ts";

const suited = suite("the command line in a terminal", "tmux");
const LIMIT_MS = 60_000;

function test(behaviour: string, body: () => Promise<void>): void {
  suited(behaviour, body, LIMIT_MS);
}

const withBoth = (body: (hub: TestHub, terminal: Terminal) => Promise<void>, env: Record<string, string> = {}) =>
  withHub({}, (hub) => withTerminal({ ...at(hub.url, hub.userToken), ...env }, (terminal) => body(hub, terminal)));

test("tail prints publications in color, and Ctrl-C returns to the prompt", () =>
  withBoth(async (hub, terminal) => {
    terminal.type(`monster-realtime tail ${hub.taskId} ${hub.workstation.id}`);
    await terminal.shows(/Following 2 channels\. Press Ctrl-C to stop\./);
    const client = await hub.connect(hub.serviceToken);
    await client.request("publish", { channel: hub.taskChannel, type: "note", payload: { text: "héllo" } });
    await client.request("publish", { channel: hub.workstation.channel, type: "other", payload: 1 });
    await terminal.shows(/\d\d:\d\d:\d\d\.\d{3} workstation:ws_\S+ +#1 other/);
    match(terminal.screen(), /task:task_\S+ +#1 note +\{"text":"héllo"\} ← service:test/);
    const colors = terminal.screen({ colors: true }).matchAll(/\[(\d+)m(?:task|workstation):\S+ /g);
    is(new Set([...colors].map(([, color]) => color)).size, 2);
    terminal.press("C-c");
    await terminal.prompted();
    terminal.type("echo code $?");
    const screen = await terminal.shows(/^code 130$/m);
    not.match(screen, "error");
  }));

test("NO_COLOR disables colors", () =>
  withBoth(
    async (hub, terminal) => {
      terminal.type(`monster-realtime tail ${hub.taskId}`);
      await terminal.shows(/Following/);
      const client = await hub.connect(hub.serviceToken);
      await client.request("publish", { channel: hub.taskChannel, type: "note", payload: 1 });
      await terminal.shows(/#1 note/);
      not.match(terminal.screen({ colors: true }), "\x1b[");
    },
    { NO_COLOR: "1" },
  ));

test("presence --watch redraws its table in place, and leaves it on the screen with the cursor shown", () =>
  withBoth(async (hub, terminal) => {
    const { channel, token, id } = hub.workstation;
    terminal.type(`clear; monster-realtime presence project:${hub.projectId}:workstations --watch`);
    await terminal.shows(/0 present\nNo members are present\./);
    const workstation = await hub.connect(token);
    await workstation.request("presence.join", { channel, meta: meta() });
    await terminal.shows(new RegExp(`1 present\nMEMBER +NAME +STATUS .*\nworkstation:${id} +Machine +online`));
    await workstation.request("presence.update", { channel, meta: meta({ status: "busy", currentTaskCount: 2 }) });
    const screen = await terminal.shows(/ busy +2 +claude-code/);
    equal([screen.split("MEMBER").length, screen.includes("No members"), screen.includes("online")], [2, false, false]);
    terminal.press("C-c");
    await terminal.prompted();
    terminal.type("echo code $?");
    match(await terminal.shows(/^code 130$/m), / busy +2 +claude-code/);
  }));

test("presence --watch fits a terminal that becomes small, and continues below the shell's output after Ctrl-Z", () =>
  withBoth(async (hub, terminal) => {
    const { channel, token, id } = hub.workstation;
    const workstation = await hub.connect(token);
    await workstation.request("presence.join", { channel, meta: meta() });
    terminal.type(`clear; monster-realtime presence ${id} --watch`);
    await terminal.shows(/online +0 +claude-code/);
    terminal.resize(48, 20);
    const narrow = await terminal.shows(new RegExp(`^MEMBER +NAME\nworkstation:${id}  Machi$`, "m"));
    is(narrow.split("MEMBER").length, 2);
    terminal.press("C-z");
    await terminal.shows(/Stopped/);
    terminal.type("echo the shell; fg");
    await terminal.shows(/^the shell$[\s\S]*MEMBER/m);
    terminal.press("C-c");
    await terminal.prompted();
    terminal.type("echo code $?");
    await terminal.shows(/^code 130$/m);
  }));

test("a history piped into head ends without an error", () =>
  withBoth(async (hub, terminal) => {
    terminal.type(`monster-realtime publish ${hub.taskId} note --count 120 >/dev/null; echo published`);
    await terminal.shows(/^published$/m);
    terminal.type(
      `clear; monster-realtime history ${hub.taskId} --limit 100 | head -n 1 | cut -f 3; echo "\${PIPESTATUS[*]}"`,
    );
    const screen = await terminal.shows(/^0 0 0$/m);
    ok(/^21\n0 0 0/m.test(screen), screen);
  }));

test("Tab completes commands and method names", () =>
  withBoth(async (_, terminal) => {
    terminal.type("source <(monster-realtime completion bash); clear; echo ready");
    await terminal.shows(/^ready$/m);
    terminal.typeOnly("monster-realtime rp");
    terminal.press("Tab");
    await terminal.shows(/> monster-realtime rpc/);
    terminal.typeOnly("tasks.mo");
    terminal.press("Tab");
    await terminal.shows(/> monster-realtime rpc tasks\.move/);
    terminal.press("C-u");
    await terminal.clear();
    terminal.typeOnly("monster-realtime tail wor");
    terminal.press("Tab");
    await terminal.shows(/tail workstation:/);
    terminal.typeOnly("x");
    await terminal.shows(/tail workstation:x/);
  }));

suited.run();
