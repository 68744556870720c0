import { HubError } from "../kernel/errors.ts";

export function notJoined(): HubError {
  return new HubError("not_joined", "This connection is not present on the channel. Call presence.join first.");
}

export function replacedError(): HubError {
  return new HubError("replaced", "A newer connection of this workstation owns its presence. Stop this one.");
}
