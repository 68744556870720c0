import type { Crud, Open, Page, Prefixed, Writable } from "./common.ts";
import type { Role } from "./organizations.ts";

/** A person. Users see themselves and the members of their organizations. */
export interface User {
  id: string;
  /** The user's id at Monster Auth. Null except to the user and to services. */
  monsterAuthUserId: string | null;
  email: string;
  name: string | null;
  avatarUrl: string | null;
  displayName: string | null;
  /** A name of the IANA time zone database. */
  timezone: string;
  createdAt: string;
  updatedAt: string;
  /** Accurate to the minute. */
  lastActiveAt: string;
}

/**
 * Users may change these fields of their own row, except `email`. Only services set `email`, because it comes from the
 * identity provider.
 */
export type UserSet = Partial<Pick<User, "email" | "name" | "avatarUrl" | "displayName" | "timezone">>;
/** A new user, created by services. Other users are created by their first connection. */
export type UserCreate = { monsterAuthUserId: string } & Writable<
  User,
  "email",
  "name" | "avatarUrl" | "displayName" | "timezone"
>;

/** A person's membership in an organization, or an invitation to one. */
export interface OrganizationMembership {
  id: string;
  organizationId: string;
  /**
   * Null while `status` is `invited`, except to the invited user: an invitation does not reveal whether its address is
   * known. For services of all organizations it may be a placeholder id that belongs to no user.
   */
  userId: string | null;
  /** For an invitation: the invited address, in lower case. */
  email: string;
  role: Role;
  status: Open<"active" | "invited" | "suspended">;
  /** The id of the user who invited; null if a service did. */
  invitedBy: string | null;
  invitedAt: string | null;
  joinedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** The filter of `organizationMemberships.list`. */
export interface OrganizationMembershipFilter {
  /** Matches invitations only for the caller's own id. */
  userId?: string;
  role?: string;
  status?: string;
}
/** The fields that `organizationMemberships.update` may change. */
export interface OrganizationMembershipSet {
  role?: Role;
  /** An invitation's status can't be changed before it is accepted. */
  status?: "active" | "suspended";
}
/** A membership for a user visible to the caller. People create an invitation, services an active membership. */
export type OrganizationMembershipCreate = {
  organizationId: string;
  userId: string;
  /** The default is `member`. */
  role?: Role;
};

/**
 * The role is at most the inviter's own. The default is `member`, or the current role if the address is already
 * invited.
 */
export interface Invitation {
  organizationId: string;
  email: string;
  role?: Role;
}

/** Parameters of `organizations.invitations`. */
export interface OwnInvitationsParams {
  /** 1–200. The default is 50. */
  limit?: number;
  cursor?: string;
}

/** An invitation for the caller, by id or by the verified address of its token. */
export interface OwnInvitation {
  membershipId: string;
  organizationId: string;
  organizationName: string;
  /** The invited address, in lower case. */
  email: string;
  role: Role;
  /** The id of the user who invited; null if a service did. */
  invitedBy: string | null;
  invitedAt: string | null;
}

export type PeopleMethods = Prefixed<"users", Crud<User, User, { email?: string }, UserCreate, UserSet>> &
  Prefixed<
    "organizationMemberships",
    Crud<
      OrganizationMembership,
      OrganizationMembership,
      OrganizationMembershipFilter,
      OrganizationMembershipCreate,
      OrganizationMembershipSet
    >
  > & {
    /**
     * Invites an address. The answer does not reveal whether the address is known, except `conflict` if it is a
     * member's. A repeated call returns the same invitation with the new role. `conflict` also if the organization has
     * 10,000 open invitations.
     */
    "organizations.invite": { params: Invitation; result: OrganizationMembership };
    /**
     * Lists the caller's invitations, newest first; a renewal keeps its place. The push `invitations` means that the
     * list changed.
     */
    "organizations.invitations": { params: OwnInvitationsParams; result: Page<OwnInvitation> };
    /** Accepts an invitation of the caller's id, or of the address that its token proves (`email_verified`). */
    "organizations.acceptInvite": { params: { organizationId: string }; result: OrganizationMembership };
    /** Declines an invitation of the caller. `conflict` if the caller is a member. */
    "organizations.declineInvite": { params: { organizationId: string }; result: { organizationId: string } };
    /** Suspends a member's rights in the organization immediately: subscriptions and connections based on them end. */
    "organizations.suspendMember": { params: { membershipId: string }; result: OrganizationMembership };
    /** Restores the rights of a suspended member. */
    "organizations.restoreMember": { params: { membershipId: string }; result: OrganizationMembership };
  };
