import type { Client } from "../../index.ts";
import { ago } from "../format/times.ts";
import { type Check, type Finding, ok, type Patient, warn, welcomed } from "./check.ts";

/** A change that waits longer is reported as late. */
const LATE_MS = 5_000;
const SHOWN = 3;
/** The largest page. More failed removals have the same cause. */
const PAGE = 200;

/** Checks that committed changes are published in time, and that none was refused. */
export const feedCheck: Check = {
  id: "feed",
  title: "changes",
  needs: ["sign-in"],
  run: (patient) => unlessWorkstation(patient, examineFeed),
};

/** Checks that deleted rows are removed. */
export const removalsCheck: Check = {
  id: "removals",
  title: "removals",
  needs: ["sign-in"],
  run: (patient) => unlessWorkstation(patient, examineRemovals),
};

/** Examines the hub's pending work, unless the token is a workstation's: workstations may not read it. */
async function unlessWorkstation(
  patient: Patient,
  examine: (client: Client, patient: Patient) => Promise<Finding>,
): Promise<Finding> {
  const { client, welcome } = await welcomed(patient);
  return welcome.principal.kind === "workstation" ? ok("not shown to workstations") : examine(client, patient);
}

async function examineFeed(client: Client, patient: Patient): Promise<Finding> {
  const { items } = await client.rpc("feed.lag", { limit: SHOWN }, patient);
  const late = items.filter(({ lagMs }) => lagMs > LATE_MS);
  const refused = await client.rpc("feed.refused", { limit: SHOWN }, patient).catch(() => null);
  const left = refused?.items.map(({ id, entity, code }) => `event ${id} of ${entity} (${code})`) ?? [];
  const measured = [
    ...late.map(
      ({ organizationId, lagMs }) => `changes of ${organizationId ?? "no organization"} have waited for ${ago(lagMs)}`,
    ),
    ...(left.length > 0 ? [`not published: ${left.join(", ")}${refused?.nextCursor ? ", …" : ""}`] : []),
  ];
  if (measured.length === 0) return ok("no change has waited for more than 5 s, and none was refused");
  const remedies = [
    ...(late.length > 0
      ? ["Find out what writes so many rows there, and check the hub's log. Other organizations are not affected."]
      : []),
    ...(left.length > 0
      ? ["See `monster-realtime feed refused`, correct the reason, and run `monster-realtime feed republish`."]
      : []),
  ];
  return warn(measured.join("; "), remedies.join(" "));
}

async function examineRemovals(client: Client, patient: Patient): Promise<Finding> {
  const { items } = await client.rpc("purges.list", { limit: PAGE }, patient);
  const failed = items.filter(({ state }) => state === "failed");
  if (failed.length === 0) return ok("none failed");
  const named = failed.slice(0, SHOWN).map(({ entity, id }) => `${entity} ${id}`);
  return warn(
    `not removed: ${named.join(", ")}${failed.length > SHOWN ? ", …" : ""}`,
    "See `monster-realtime purges` with a service's token for the reason. Each is retried every 30 s.",
  );
}
