import type { Crud, Open, Page, Prefixed, Writable } from "./common.ts";
import type { Role } from "./organizations.ts";

/** A person. Everybody sees themselves, and the members of their organizations. */
export interface User {
  id: string;
  /** Who it is at Monster Auth; null but to the user itself and to services. */
  monsterAuthUserId: string | null;
  email: string;
  name: string | null;
  avatarUrl: string | null;
  displayName: string | null;
  /** A name of the IANA time zone database. */
  timezone: string;
  createdAt: string;
  updatedAt: string;
  /** To the minute. */
  lastActiveAt: string;
}

/** Users change themselves but for `email`, which services alone may set: it comes from who vouches for it. */
export type UserSet = Partial<Pick<User, "email" | "name" | "avatarUrl" | "displayName" | "timezone">>;
/** A new user, by services: people come to be with their first connection. */
export type UserCreate = { monsterAuthUserId: string } & Writable<
  User,
  "email",
  "name" | "avatarUrl" | "displayName" | "timezone"
>;

/** A person's place in an organization, or an invitation to one. */
export interface OrganizationMembership {
  id: string;
  organizationId: string;
  /**
   * Null while `status` is `invited`, but to the invited user: an invitation tells nobody whether its address is known. To
   * services of every organization it may be the id of no user, but of the place that an invitation holds for one.
   */
  userId: string | null;
  /** Of an invitation, the address that was invited, in lower case. */
  email: string;
  role: Role;
  status: Open<"active" | "invited" | "suspended">;
  /** Who invited; null where a service did. */
  invitedBy: string | null;
  invitedAt: string | null;
  joinedAt: string | null;
  createdAt: string;
  updatedAt: string;
}

/** Which memberships to list. */
export interface OrganizationMembershipFilter {
  /** Invitations are found by it for oneself alone. */
  userId?: string;
  role?: string;
  status?: string;
}
/** What `organizationMemberships.update` may change. */
export interface OrganizationMembershipSet {
  role?: Role;
  /** Invitations have no other status until they are accepted. */
  status?: "active" | "suspended";
}
/** Of a user the caller can see. Made by people it is an invitation, by services an active membership. */
export type OrganizationMembershipCreate = {
  organizationId: string;
  userId: string;
  /** `member` where it is missing. */
  role?: Role;
};

/** A role up to the inviter's own; `member` where it is missing, or what it was where the address is invited already. */
export interface Invitation {
  organizationId: string;
  email: string;
  role?: Role;
}

/** Which of one's own invitations. */
export interface OwnInvitationsParams {
  /** 1–200; 50 where it is missing. */
  limit?: number;
  cursor?: string;
}

/** An invitation of the caller's own, by id or by the address that its token proves. */
export interface OwnInvitation {
  membershipId: string;
  organizationId: string;
  organizationName: string;
  /** The address that was invited, in lower case. */
  email: string;
  role: Role;
  /** Who invited; null where a service did. */
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
     * Answers alike whether the address is known or not, but `conflict` where a member of the organization has it. Inviting
     * again answers the same invitation, with a newer role. `conflict` too where the organization has 10,000 open ones.
     */
    "organizations.invite": { params: Invitation; result: OrganizationMembership };
    /** One's own, newest first; to renew one does not move it. The push `invitations` says that the list is another one. */
    "organizations.invitations": { params: OwnInvitationsParams; result: Page<OwnInvitation> };
    /** Of oneself: to the caller's id, or to the address that its token proves (`email_verified`). */
    "organizations.acceptInvite": { params: { organizationId: string }; result: OrganizationMembership };
    /** Ends an invitation of oneself. `conflict` where the caller is a member. */
    "organizations.declineInvite": { params: { organizationId: string }; result: { organizationId: string } };
    /** Takes a member's rights in the organization, at once: subscriptions and connections that they gave end. */
    "organizations.suspendMember": { params: { membershipId: string }; result: OrganizationMembership };
    /** Gives them back. */
    "organizations.restoreMember": { params: { membershipId: string }; result: OrganizationMembership };
  };
