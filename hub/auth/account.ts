import { HubError } from "../kernel/errors.ts";
import type { WorkstationFacts } from "./facts.ts";

/** The facts of a workstation that may act with this token, or the error for one that may not. */
export function activeWorkstation(tokenDigest: string, facts: WorkstationFacts | null): WorkstationFacts | HubError {
  if (!facts || facts.accountStatus === "gone") {
    return new HubError("unauthenticated", "This workstation no longer exists. Register it again.");
  }
  if (facts.tokenDigest !== tokenDigest) {
    return new HubError("unauthenticated", "This registration token was replaced. Use the workstation's new one.");
  }
  if (facts.accountStatus === "active") return facts;
  return new HubError("suspended", "This workstation is suspended. Ask an admin of its organization.");
}
