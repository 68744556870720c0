import { ago } from "../format/times.ts";
import { type Check, type Finding, ok, type Patient, warn } from "./check.ts";

/** A change that waits longer is reported as late. */
const LATE_MS = 5_000;
const SHOWN = 3;

/** Checks that committed changes are published in time, and that none was refused. */
export const feedCheck: Check = {
  id: "feed",
  title: "changes",
  needs: ["sign-in"],
  async run(patient: Patient): Promise<Finding> {
    const handshake = await patient.handshake();
    if (handshake.name === "refused") throw handshake.error;
    const { client, welcome } = handshake;
    if (welcome.principal.kind === "workstation") return ok("not shown to workstations");
    const { items } = await client.rpc("feed.lag", { limit: SHOWN }, patient);
    const late = items.filter(({ lagMs }) => lagMs > LATE_MS);
    const refused = await client.rpc("feed.refused", { limit: SHOWN }, patient).catch(() => null);
    const left = refused?.items.map(({ id, entity, code }) => `event ${id} of ${entity} (${code})`) ?? [];
    const measured = [
      ...late.map(
        ({ organizationId, lagMs }) =>
          `changes of ${organizationId ?? "no organization"} have waited for ${ago(lagMs)}`,
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
  },
};
