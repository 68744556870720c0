import { equal, is, ok } from "uvu/assert";
import { browserTest } from "../support/browser.ts";
import { meta, type TestHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import type { Part } from "./support/parts.tsx";
import { withStage } from "./support/stage.ts";

const test = suite("hooks that show presence");

const present = (channel: string | null, name = "present"): Part => ({ kind: "presence", name, channel });

/** A busy workstation of the project. */
async function join(hub: TestHub, status = "online") {
  const machine = await hub.addWorkstation();
  const client = await hub.connect(machine.token);
  await client.request("presence.join", { channel: machine.channel, meta: meta({ status }) });
  return { client, channel: machine.channel, key: `workstation:${machine.id}` };
}
const sorted = (...members: string[]) => [...members].sort();

browserTest(test, "keep the members over a short disconnection, and then show joins and leaves during it", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const [first, second] = [await join(hub), await join(hub, "busy")];
    await stage.show(present(hub.projectChannel));
    const before = sorted(`${first.key} live online`, `${second.key} live busy`);
    await stage.shows("present", { members: before, synced: true, error: null });
    await wire.goAway();
    await stage.shows("present", { members: before, synced: false });
    await second.client.request("presence.leave", { channel: second.channel });
    const third = await join(hub);
    wire.comeBack();
    await stage.shows("present", {
      members: sorted(`${first.key} live online`, `${third.key} live online`),
      synced: true,
    });
    const counts = (await stage.seen("present")).map((view) => (view as { members: string[] }).members.length);
    ok(!counts.slice(counts.indexOf(2)).includes(0), `they were missing for a moment: ${counts}`);
  }),
);

browserTest(test, "share one subscription with each other, and with hooks for publications", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const machine = await join(hub);
    const channel = hub.projectChannel;
    await stage.show({ kind: "channel", name: "followed", channel });
    await stage.shows("followed", { state: "live" });
    await stage.show({ kind: "channel", name: "followed", channel }, present(channel), present(channel, "again"));
    for (const name of ["present", "again"])
      await stage.shows(name, { members: [`${machine.key} live online`], synced: true });
    await machine.client.request("presence.update", { channel: machine.channel, meta: meta({ status: "busy" }) });
    for (const name of ["present", "again"]) await stage.shows(name, { members: [`${machine.key} live busy`] });
    const asked = wire.sent("subscribe") as { presence?: boolean }[];
    equal(
      asked.map(({ presence }) => presence ?? false),
      [false, true],
    );
    await stage.show();
    await until("the subscription ends", () => wire.sent("unsubscribe").length === 1);
  }),
);

browserTest(test, "show no members of another channel, and no outdated ones", () =>
  withStage(async (stage) => {
    const { hub, wire } = stage;
    const machine = await join(hub);
    const isHere = `${machine.key} live online`;
    await stage.show(present(null));
    await stage.shows("present", { members: [], synced: false });
    await stage.show(present(hub.projectChannel));
    await stage.shows("present", { members: [isHere], synced: true });
    await stage.show(present(hub.taskChannel));
    await stage.shows("present", { members: [], synced: true });
    await until("the project's subscription has ended", () => wire.sent("unsubscribe").length === 1);
    await machine.client.request("presence.leave", { channel: machine.channel });
    await stage.show(present(hub.projectChannel, "back"));
    await stage.shows("back", { members: [], synced: true });
    const ghosts = (await stage.seen("back")).filter((view) => JSON.stringify(view).includes(machine.key));
    equal(ghosts, []);
  }),
);

browserTest(test, "show why the hub refuses presence, and keep the last known members when rights end", () =>
  withStage(async (stage) => {
    const { hub } = stage;
    const machine = await join(hub);
    const other = await hub.otherTenant();
    await stage.show(present(hub.projectChannel), present(`project:${other.projectId}:workstations`, "refused"));
    await stage.shows("refused", { members: [], synced: false, error: "forbidden" });
    await stage.shows("present", { synced: true, error: null });
    await hub.database.transaction(
      "test",
      (sql) => sql`UPDATE projects SET status = 'archived' WHERE id = ${hub.projectId}`,
    );
    await stage.shows("present", { members: [`${machine.key} live online`], synced: false, error: "forbidden" });
    is((await stage.seen("refused")).length, 2);
  }),
);

test.run();
