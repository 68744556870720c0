import type { Client } from "../../index.ts";
import type { Organization, PrincipalInfo, Role } from "../../protocol/index.ts";
import { inMs } from "../format/times.ts";
import { type Check, type Finding, ok, type Patient, warn, welcomed } from "./check.ts";

const SKEW_WARNING_MS = 5_000;
const ROUND_TRIPS = 20;
const SLOW_MEDIAN_MS = 250;
const SLOW_WORST_MS = 1_000;
const SHOWN = 5;
/** A channel without subscribers: the request needs neither rights nor the database, only a round trip. */
const NO_CHANNEL = "task:task_00000000000000000000000000";

/** Checks that the clocks agree: token expiry and publication times depend on them. */
export const clockCheck: Check = {
  id: "clock",
  title: "clock",
  needs: ["sign-in"],
  async run(patient) {
    const { welcome, receivedAt } = await welcomed(patient);
    const skewMs = welcome.serverTime - receivedAt;
    const measured = `the hub's clock is ${Math.abs(skewMs)} ms ${skewMs < 0 ? "behind" : "ahead"}`;
    if (Math.abs(skewMs) <= SKEW_WARNING_MS) return ok(measured);
    return warn(measured, "Synchronize both machines with NTP: otherwise tokens expire too early or too late.");
  },
};

/** Measures the round-trip time. */
export const latencyCheck: Check = {
  id: "latency",
  title: "latency",
  needs: ["sign-in"],
  async run(patient) {
    const { client } = await welcomed(patient);
    const times: number[] = [];
    for (let trip = 0; trip < ROUND_TRIPS; trip++) times.push(await roundTripMs(client, patient));
    times.sort((one, other) => one - other);
    const [median, worst] = [times[ROUND_TRIPS / 2] ?? 0, times.at(-1) ?? 0];
    const measured = `median ${inMs(median)}, worst ${inMs(worst)} of ${ROUND_TRIPS} round trips`;
    if (median < SLOW_MEDIAN_MS && worst < SLOW_WORST_MS) return ok(measured);
    return warn(
      measured,
      "The network is slow or the hub is busy. Compare with another network, and check the hub's load.",
    );
  },
};

/** Returns the milliseconds of one round trip to the hub. */
export async function roundTripMs(
  client: Client,
  { timeoutMs, signal }: Pick<Patient, "timeoutMs" | "signal">,
): Promise<number> {
  const begun = performance.now();
  await client.request("unsubscribe", { channel: NO_CHANNEL }, { timeoutMs, signal });
  return performance.now() - begun;
}

/** Reports the token's rights. */
export const rightsCheck: Check = {
  id: "rights",
  title: "rights",
  needs: ["sign-in"],
  async run(patient) {
    const { client, welcome } = await welcomed(patient);
    const { principal } = welcome;
    if (principal.kind === "workstation") return rightsOfWorkstation(client, patient);
    const { items } = await client.rpc("organizations.list", { limit: SHOWN }, patient);
    if (principal.kind === "user") return rightsOfUser(client, principal, items, patient);
    const isBound = principal.organizationIds.length > 0;
    return ok(`reads, publishes and administers ${isBound ? named(items) : "all organizations"}`);
  },
};

async function rightsOfWorkstation(client: Client, patient: Patient): Promise<Finding> {
  const { items, nextCursor } = await client.rpc("projects.list", { limit: SHOWN }, patient);
  if (items.length > 0) return ok(`its own channel, and projects: ${named(items)}${nextCursor ? ", …" : ""}`);
  return warn(
    "its own channel, but no project",
    "Attach it to a project: `monster-realtime rpc projects.attachWorkstation`.",
  );
}

async function rightsOfUser(
  client: Client,
  principal: PrincipalInfo,
  organizations: readonly Organization[],
  patient: Patient,
): Promise<Finding> {
  if (principal.organizationIds.length === 0) {
    return warn("not a member of any organization: no rights", "Ask an admin of an organization to invite this user.");
  }
  const roles = await Promise.all(
    organizations.map(async ({ id, name }) => `${name}: ${await roleIn(client, id, principal.id, patient)}`),
  );
  const more = principal.organizationIds.length - organizations.length;
  return ok([...roles, ...(more > 0 ? [`${more} more`] : [])].join("; "));
}

const MAY: Record<Role, string> = {
  owner: "owner, all rights",
  admin: "admin, all rights except deleting the organization",
  member: "member, projects and tasks but not connections",
};

async function roleIn(client: Client, organizationId: string, userId: string, patient: Patient): Promise<string> {
  const filter = { userId };
  const { items } = await client.rpc("organizationMemberships.list", { organizationId, filter }, patient);
  const role = items.find((membership) => membership.userId === userId)?.role;
  return role ? MAY[role] : "no role";
}

const named = (rows: readonly { name: string }[]): string => rows.map(({ name }) => name).join(", ") || "nothing";
