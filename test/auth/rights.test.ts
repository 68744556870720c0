import assert from "node:assert/strict";
import { CHANNEL_KINDS, type ChannelKind, parseChannel, type Role } from "@monster-realtime/client/protocol";
import type { ProjectFacts, TaskFacts, UserFacts, WorkstationFacts } from "../../hub/auth/facts.ts";
import type { Principal, UserPrincipal, WorkstationPrincipal } from "../../hub/auth/principal.ts";
import {
  accountRefusal,
  type ChannelFacts,
  type ChannelRights,
  channelRights,
  organizationIdsOf,
  type PrincipalFacts,
  rolesOf,
} from "../../hub/auth/rights.ts";
import { suite } from "../support/suite.ts";

const test = suite("channel rights");

const id = (prefix: string, letter: string) => `${prefix}_${letter.repeat(26)}`;
const ORG = id("org", "A");
const OTHER_ORG = id("org", "B");
const PROJECT = id("proj", "C");
const WORKSTATION = id("ws", "D");
const OTHER_WORKSTATION = id("ws", "E");
const TASK = id("task", "F");

const channelNames: Record<ChannelKind, string> = {
  workstation: `workstation:${WORKSTATION}`,
  projectWorkstations: `project:${PROJECT}:workstations`,
  task: `task:${TASK}`,
  projectTasks: `project:${PROJECT}:tasks`,
};
const workstation: WorkstationFacts = {
  organizationId: ORG,
  accountStatus: "active",
  tokenDigest: "digest",
  projectIds: [PROJECT],
};
const project: ProjectFacts = { organizationId: ORG, active: true };
const task: TaskFacts = { ...project, projectId: PROJECT };
const rows: Record<ChannelKind, ChannelFacts> = {
  workstation,
  projectWorkstations: project,
  task,
  projectTasks: project,
};
const userOf = (organizationId: string, role: Role = "member", clientId: string | null = "client"): UserFacts => ({
  memberships: [{ organizationId, role, clientId }],
});
const user: UserPrincipal = { kind: "user", id: id("user", "G"), clientIds: null };
const self: WorkstationPrincipal = { kind: "workstation", id: WORKSTATION, tokenDigest: "digest" };
const peer: WorkstationPrincipal = { ...self, id: OTHER_WORKSTATION };
const service = (organizations: "*" | string[]): Principal => ({ kind: "service", id: "backend", organizations });

/** The rights as letters: subscribe, publish, publish reserved types, join. */
function letters(rights: ChannelRights): string {
  const { subscribe, publish, publishReserved, join } = rights;
  return [subscribe && "S", publish && "P", publishReserved && "R", join && "J"].filter(Boolean).join("") || "-";
}

function rightsOn(kind: ChannelKind, principal: Principal, facts: PrincipalFacts | null, row = rows[kind] ?? null) {
  const channel = parseChannel(channelNames[kind]);
  assert.ok(channel);
  return letters(channelRights(principal, facts, channel, row));
}

type Row = [who: string, principal: Principal, facts: PrincipalFacts | null, ...expected: string[]];
const detached = { ...workstation, projectIds: [] };
/** In the order of CHANNEL_KINDS: workstation, projectWorkstations, task, projectTasks. */
const table: Row[] = [
  ["the workstation itself, attached", self, workstation, "SPJ", "SP", "SPJ", "S"],
  ["the workstation itself, not attached", self, detached, "SPJ", "-", "-", "-"],
  ["another workstation of the project", peer, workstation, "-", "SP", "SPJ", "S"],
  ["another workstation of the organization", peer, detached, "-", "-", "-", "-"],
  [
    "a workstation attached, but of another organization",
    peer,
    { ...workstation, organizationId: OTHER_ORG },
    "-",
    "-",
    "-",
    "-",
  ],
  ["a suspended workstation", self, { ...workstation, accountStatus: "suspended" }, "-", "-", "-", "-"],
  ["a deleted workstation", self, { ...workstation, accountStatus: "gone" }, "-", "-", "-", "-"],
  ["a workstation without a row", self, null, "-", "-", "-", "-"],
  ["a workstation with a replaced token", { ...self, tokenDigest: "old" }, workstation, "-", "-", "-", "-"],
  ["a member", user, userOf(ORG), "SP", "SP", "SPJ", "S"],
  ["an admin", user, userOf(ORG, "admin"), "SP", "SP", "SPJ", "S"],
  ["an owner", user, userOf(ORG, "owner"), "SP", "SP", "SPJ", "S"],
  [
    "a member by a token for its organization's client",
    { ...user, clientIds: ["x", "client"] },
    userOf(ORG),
    "SP",
    "SP",
    "SPJ",
    "S",
  ],
  ["a member by a token for another client", { ...user, clientIds: ["x"] }, userOf(ORG), "-", "-", "-", "-"],
  [
    "a member of an organization without client, by a client's token",
    { ...user, clientIds: ["x"] },
    userOf(ORG, "owner", null),
    "-",
    "-",
    "-",
    "-",
  ],
  ["a member of another organization", user, userOf(OTHER_ORG, "owner"), "-", "-", "-", "-"],
  ["a user without membership", user, { memberships: [] }, "-", "-", "-", "-"],
  ["a user without a row", user, null, "-", "-", "-", "-"],
  ["a user with a workstation's facts", user, workstation, "-", "-", "-", "-"],
  ["a workstation with a user's facts", self, userOf(ORG), "-", "-", "-", "-"],
  ["a service of the organization", service([OTHER_ORG, ORG]), null, "SPR", "SPR", "SPR", "SPR"],
  ["a service of all organizations", service("*"), null, "SPR", "SPR", "SPR", "SPR"],
  ["a service of another organization", service([OTHER_ORG]), null, "-", "-", "-", "-"],
  ["a service of none", service([]), null, "-", "-", "-", "-"],
];

for (const [who, principal, facts, ...expected] of table) {
  test(`${who} has exactly the rights that PROTOCOL.md gives it`, () => {
    const got = CHANNEL_KINDS.map((kind) => rightsOn(kind, principal, facts));
    assert.deepEqual(got, expected);
  });
}

test("a channel without a row gives no rights", () => {
  for (const kind of CHANNEL_KINDS) {
    const channel = parseChannel(channelNames[kind]);
    assert.ok(channel);
    assert.equal(letters(channelRights(user, userOf(ORG), channel, null)), "-");
    assert.equal(letters(channelRights(service("*"), null, channel, null)), "-");
  }
});

test("an archived project, its tasks, and a suspended or deleted workstation give no rights", () => {
  const archived: Record<ChannelKind, ChannelFacts> = {
    workstation: { ...workstation, accountStatus: "suspended" },
    projectWorkstations: { ...project, active: false },
    task: { ...task, active: false },
    projectTasks: { ...project, active: false },
  };
  for (const kind of CHANNEL_KINDS) {
    for (const [principal, facts] of [
      [self, workstation],
      [user, userOf(ORG, "owner")],
      [service("*"), null],
    ] as const) {
      if (kind === "workstation" && principal === self) continue;
      assert.equal(rightsOn(kind, principal, facts, archived[kind]), "-", `${principal.kind} on ${kind}`);
    }
  }
  assert.equal(rightsOn("workstation", user, userOf(ORG), { ...workstation, accountStatus: "gone" }), "-");
});

test("a task's rights follow its current project, not its previous one", () => {
  const moved: TaskFacts = { ...task, projectId: id("proj", "Z") };
  assert.equal(rightsOn("task", peer, workstation, moved), "-");
});

test("a suspended workstation gets `suspended`, a deleted or rotated one must authenticate again, and others may stay", () => {
  const codes = [
    accountRefusal(self, workstation),
    accountRefusal(self, { ...workstation, accountStatus: "suspended" }),
    accountRefusal(self, { ...workstation, accountStatus: "gone" }),
    accountRefusal(self, { ...workstation, accountStatus: "suspended", tokenDigest: "new" }),
    accountRefusal(self, null),
    accountRefusal(user, { memberships: [] }),
    accountRefusal(user, null),
    accountRefusal(service([]), null),
  ].map((refusal) => refusal?.code ?? null);
  const gone = "unauthenticated";
  assert.deepEqual(codes, [null, "suspended", gone, gone, gone, null, gone, null]);
});

test("a principal's organizations and roles are those that its token covers", () => {
  const facts: UserFacts = {
    memberships: [
      { organizationId: ORG, role: "owner", clientId: "client" },
      { organizationId: OTHER_ORG, role: "member", clientId: null },
    ],
  };
  assert.deepEqual(organizationIdsOf(user, facts), [ORG, OTHER_ORG]);
  assert.deepEqual([...rolesOf({ ...user, clientIds: ["client"] }, facts)], [[ORG, "owner"]]);
  assert.deepEqual(organizationIdsOf(self, workstation), [ORG]);
  assert.deepEqual([...rolesOf(self, workstation)], []);
  assert.deepEqual(organizationIdsOf(service([ORG]), null), [ORG]);
  assert.deepEqual(organizationIdsOf(service("*"), null), []);
});

test.run();
