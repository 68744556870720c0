import type { ParsedChannel, Role } from "@monster-realtime/client/protocol";
import type { HubError } from "../kernel/errors.ts";
import { FactCache } from "./fact-cache.ts";
import type { FactKind, FactSource, FactsByKind, Touched, WorkstationFacts } from "./facts.ts";
import type { Principal } from "./principal.ts";
import {
  accountRefusal,
  CHANNEL_ROWS,
  type ChannelFacts,
  type ChannelRights,
  channelRights,
  organizationIdsOf,
  type PrincipalFacts,
  rolesOf,
} from "./rights.ts";

export interface AuthorizerOptions {
  source: FactSource;
  /** Maximum age of a fact that an authorization decision uses. */
  cacheMs: number;
  /** Maximum age of a fact while the database is unavailable. */
  outageMs: number;
  /** Milliseconds of a clock that never goes back. */
  monotonicNow?: () => number;
}

/** A connected principal and the channels it uses. */
export interface InUse {
  principal: Principal;
  channels: Iterable<ParsedChannel>;
}

type Caches = { readonly [Kind in FactKind]: FactCache<FactsByKind[Kind]> };

/**
 * Decides rights from cached facts. A fact is at most `cacheMs` old while the database answers, and at most `outageMs`
 * old while it is unavailable. When only older facts exist, calls reject with `unavailable`. Rows of other tenants and
 * missing rows give the same answer in the same time.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #caches: Caches;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    const cache = <Kind extends FactKind>(kind: Kind) =>
      new FactCache<FactsByKind[Kind]>({
        load: (ids) => options.source.load(kind, ids),
        freshMs: options.cacheMs,
        outageMs: options.outageMs,
        ...(options.monotonicNow && { monotonicNow: options.monotonicNow }),
      });
    this.#caches = {
      workstation: cache("workstation"),
      project: cache("project"),
      task: cache("task"),
      user: cache("user"),
    };
  }

  /**
   * The rights of `principal` on `channel`. Synchronous if the facts are cached, as they are for every channel in use.
   */
  rights(principal: Principal, channel: ParsedChannel): ChannelRights | Promise<ChannelRights> {
    const principalFacts = this.#principalFacts(principal);
    const channelFacts = this.#channelFacts(channel);
    if (principalFacts instanceof Promise || channelFacts instanceof Promise) {
      return Promise.all([principalFacts, channelFacts]).then(([ofPrincipal, ofChannel]) =>
        channelRights(principal, ofPrincipal, channel, ofChannel),
      );
    }
    return channelRights(principal, principalFacts, channel, channelFacts);
  }

  /**
   * Whether cached facts alone allow all these uses, so that the caller need not wait. False also if a fact is not
   * cached.
   */
  isKnownToAllow(
    principal: Principal,
    uses: Iterable<{ channel: ParsedChannel; right: keyof ChannelRights }>,
  ): boolean {
    const ofPrincipal = principal.kind === "service" ? null : this.#caches[principal.kind].known(principal.id);
    if (ofPrincipal === undefined || accountRefusal(principal, ofPrincipal)) return false;
    for (const { channel, right } of uses) {
      const ofChannel = this.#caches[CHANNEL_ROWS[channel.kind]].known(channel.id);
      if (ofChannel === undefined || !channelRights(principal, ofPrincipal, channel, ofChannel)[right]) return false;
    }
    return true;
  }

  /** The error that ends this principal's connections, or null if it may stay connected. */
  async accountRefusal(principal: Principal): Promise<HubError | null> {
    return accountRefusal(principal, await this.#principalFacts(principal));
  }

  /** The organizations of the principal. Empty for a service of all organizations. */
  async organizationIds(principal: Principal): Promise<string[]> {
    return organizationIdsOf(principal, await this.#principalFacts(principal));
  }

  /** The organization that owns a channel, regardless of rights. Null if the channel's row does not exist. */
  async organizationOf(channel: ParsedChannel): Promise<string | null> {
    return (await this.#channelFacts(channel))?.organizationId ?? null;
  }

  /** The organization that owns a channel, from the cache only. Null if it is not cached. */
  knownOrganizationOf({ kind, id }: ParsedChannel): string | null {
    return this.#caches[CHANNEL_ROWS[kind]].peek(id)?.organizationId ?? null;
  }

  /** Organization → role, for the organizations that the user's token covers. Empty for workstations and services. */
  async roles(principal: Principal): Promise<ReadonlyMap<string, Role>> {
    return rolesOf(principal, await this.#principalFacts(principal));
  }

  async workstation(id: string): Promise<WorkstationFacts | null> {
    return this.#caches.workstation.get(id);
  }

  /** Invalidates the facts that these changes may affect. No later call uses a fact read before them. */
  drop(touched: readonly Touched[]): void {
    const ids = (entity: Touched["entity"]) =>
      new Set(touched.flatMap((one) => (one.entity === entity ? [one.id] : [])));
    for (const kind of ["workstation", "task", "user"] as const) {
      for (const id of ids(kind)) this.#caches[kind].forget(id);
    }
    const [organizations, projects] = [ids("organization"), ids("project")];
    if (organizations.size > 0) this.#dropOrganizations(organizations);
    if (projects.size > 0) this.#dropProjects(projects);
  }

  /**
   * Reloads, in few statements, every fact in use that is older than half of `cacheMs`. `rights` is synchronous for
   * them afterwards. False if the database was unavailable.
   */
  async refresh(inUse: Iterable<InUse>): Promise<boolean> {
    const needed: Record<FactKind, Set<string>> = {
      workstation: new Set(),
      project: new Set(),
      task: new Set(),
      user: new Set(),
    };
    for (const { principal, channels } of inUse) {
      if (principal.kind !== "service") needed[principal.kind].add(principal.id);
      for (const { kind, id } of channels) needed[CHANNEL_ROWS[kind]].add(id);
    }
    const kinds = Object.keys(this.#caches) as FactKind[];
    const ageMs = this.#options.cacheMs / 2;
    const read = await Promise.all(kinds.map((kind) => this.#caches[kind].refresh(needed[kind], ageMs)));
    return read.every(Boolean);
  }

  #principalFacts(principal: Principal): PrincipalFacts | null | Promise<PrincipalFacts | null> {
    return principal.kind === "service" ? null : this.#caches[principal.kind].get(principal.id);
  }

  #channelFacts({ kind, id }: ParsedChannel): ChannelFacts | null | Promise<ChannelFacts | null> {
    return this.#caches[CHANNEL_ROWS[kind]].get(id);
  }

  #dropOrganizations(ids: ReadonlySet<string>): void {
    const { workstation, project, task, user } = this.#caches;
    for (const cache of [workstation, project, task])
      cache.forgetWhere(({ organizationId }) => ids.has(organizationId));
    user.forgetWhere(({ memberships }) => memberships.some(({ organizationId }) => ids.has(organizationId)));
  }

  #dropProjects(ids: ReadonlySet<string>): void {
    const { workstation, project, task } = this.#caches;
    const organizations = new Set([...ids].map((id) => project.peek(id)?.organizationId));
    for (const id of ids) project.forget(id);
    task.forgetWhere(({ projectId }) => ids.has(projectId));
    // A reactivated project is not yet in any workstation's `projectIds`, so match by its organization.
    workstation.forgetWhere(
      ({ projectIds, organizationId }) => organizations.has(organizationId) || projectIds.some((id) => ids.has(id)),
    );
  }
}
