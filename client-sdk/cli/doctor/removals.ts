import { type Check, type Finding, ok, type Patient, warn } from "./check.ts";

/** The largest page. More failed removals have the same cause. */
const PAGE = 200;
const SHOWN = 3;

/** Checks that deleted rows are removed. */
export const removalsCheck: Check = {
  id: "removals",
  title: "removals",
  needs: ["sign-in"],
  async run(patient: Patient): Promise<Finding> {
    const handshake = await patient.handshake();
    if (handshake.name === "refused") throw handshake.error;
    const { client, welcome } = handshake;
    if (welcome.principal.kind === "workstation") return ok("not shown to workstations");
    const { items } = await client.rpc("purges.list", { limit: PAGE }, patient);
    const failed = items.filter(({ state }) => state === "failed");
    if (failed.length === 0) return ok("none failed");
    const named = failed.slice(0, SHOWN).map(({ entity, id }) => `${entity} ${id}`);
    return warn(
      `not removed: ${named.join(", ")}${failed.length > SHOWN ? ", …" : ""}`,
      "See `monster-realtime purges` with a service's token for the reason. Each is retried every 30 s.",
    );
  },
};
