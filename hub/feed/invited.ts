import { isFirstParty, type Principal } from "../auth/principal.ts";
import type { RightsChange } from "./change.ts";

/** The invited user: by a proven address, or by id. */
export interface Invited {
  address: string | null;
  userId: string | null;
}

/** The users whose list of invitations these changes may have changed. */
export function invitedBy(changes: readonly RightsChange[]): Invited[] {
  return changes
    .filter(({ invites }) => invites)
    .map(({ invitedAddress, userId }) => ({ address: invitedAddress, userId }));
}

/** Whether any of these invitations is the principal's. Only first-party tokens act on a user's invitations. */
export function concerns(invited: readonly Invited[], principal: Principal): boolean {
  if (principal.kind !== "user" || !isFirstParty(principal)) return false;
  const { id, provenAddress } = principal;
  return invited.some(({ address, userId }) => userId === id || (address !== null && address === provenAddress));
}
