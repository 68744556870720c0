import { workstationChannel } from "@monster-realtime/client/protocol";
import { equal, is } from "uvu/assert";
import type { NodePresence } from "../../hub/presence/node-presence.ts";
import type { PresentRow, WorkstationPresence } from "../../hub/presence/presence.ts";
import { lonePresenceWith } from "../support/lone-presence.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("presence that the previous hub left");
const WORKSTATION = "ws_00000000000000000000000001";
const PROJECT = "proj_00000000000000000000000001";
const META = { status: "online" };
const KEY = `workstation:${WORKSTATION}`;
const CLIENT = { ipAddress: null, userAgent: null, cliVersion: null };

function row(more: Partial<PresentRow> = {}): PresentRow {
  return {
    workstationId: WORKSTATION,
    generation: 1,
    revision: 7,
    memberKey: { workstationId: WORKSTATION } as unknown as PresentRow["memberKey"],
    meta: META,
    seenAt: new Date(1_000),
    ...CLIENT,
    projectIds: [PROJECT],
    ...more,
  };
}

async function withPresence(
  body: (presence: NodePresence, changes: WorkstationPresence[]) => Promise<void>,
): Promise<void> {
  const changes: WorkstationPresence[] = [];
  const events = { workstationChanged: (changed: WorkstationPresence) => void changes.push(changed) };
  const presence = lonePresenceWith({ nodeId: "node", graceMs: 60_000, events });
  try {
    await body(presence, changes);
  } finally {
    await presence.close();
  }
}

const join = async (presence: NodePresence) =>
  presence.join({
    channel: workstationChannel(WORKSTATION),
    connectionId: "c1",
    key: KEY,
    memberKey: row().memberKey,
    meta: META,
    workstation: { projectIds: [PROJECT], client: CLIENT, ticket: await presence.admit(WORKSTATION) },
  });

test("is suspect on both rosters, and nothing is written for it", () =>
  withPresence(async (presence, changes) => {
    await presence.restore([row()], 60_000);
    for (const channel of [workstationChannel(WORKSTATION), `project:${PROJECT}:workstations`]) {
      const { members } = await presence.list(channel);
      equal(
        members.map(({ key, state }) => [key, state]),
        [[KEY, "suspect"]],
      );
    }
    equal(changes, []);
  }));

test("is one update when it returns, with a revision above the row's", () =>
  withPresence(async (presence, changes) => {
    const revision = (Date.now() + 60_000) * 1_000;
    await presence.restore([row({ revision })], 60_000);
    const diffs: string[] = [];
    await presence.watch(`project:${PROJECT}:workstations`, (_, { joins, updates, leaves }) => {
      diffs.push(`${joins.length} ${updates.length} ${leaves.length}`);
    });
    await join(presence);
    await until("the watcher received it", () => diffs.length > 0);
    equal(diffs, ["0 1 0"]);
    is(changes.at(-1)?.state, "live");
    is((changes.at(-1)?.revision ?? 0) > revision, true);
  }));

test("leaves after the time to return, and one that returned does not", () =>
  withPresence(async (presence, changes) => {
    const other = "ws_00000000000000000000000002";
    await presence.restore([row(), row({ workstationId: other })], 100);
    await join(presence);
    await until("the other one left", () => changes.some(({ state }) => state === "absent"));
    equal(
      changes.filter(({ state }) => state === "absent").map(({ workstationId, reason }) => [workstationId, reason]),
      [[other, "timeout"]],
    );
    is(await presence.count(workstationChannel(WORKSTATION)), 1);
  }));

test("stays for the next hub when this one ends, and an invalid revision is left to the reconciler", () =>
  withPresence(async (presence, changes) => {
    await presence.restore([row(), row({ workstationId: "ws_00000000000000000000000003", revision: 9e15 })], 10);
    presence.hold();
    is(await presence.count(workstationChannel(WORKSTATION)), 1);
    equal(changes, []);
  }));

test.run();
