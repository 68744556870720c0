import type { Change, Claim, FurtherPublications, PendingChange, RightsChange, Settlement } from "../feed/change.ts";
import { HubError, messageOf } from "../kernel/errors.ts";
import { newId } from "../kernel/ids.ts";
import { type Database, isDatabaseFault } from "./database.ts";
import {
  type Claimed,
  type ClaimQuery,
  claimChanges,
  claimNext,
  leaveTurn,
  ORGANIZATIONS,
  type Queue,
  readBareChange,
  readChange,
  settle,
  takeTurn,
} from "./feed-queries.ts";
import type { Fence, FencingToken } from "./fence.ts";

/** What became visible since the previous look. */
export interface RightsLook {
  changes: RightsChange[];
  /** Whether changes wait to be published. */
  pending: boolean;
}

/** Single statements of the pool, each on its own: the caller holds no connection between them. */
export type Pool = Pick<Database, "query">;

export interface ChangeFeedStoreOptions {
  /** Default: this hub always serves. */
  fence?: Fence;
  /** Whether other hubs publish to the same streams, so that hubs take turns. Default: false. */
  shared?: boolean;
  /** Reads the further publications that changes cause. Default: none. */
  further?(pool: Pool, changes: readonly Change[]): Promise<FurtherPublications>;
}

/**
 * The change feed's view of the audit trail. Every step is one statement. So no connection is held during a publish, and a
 * pool of one connection or a transaction pooler is enough.
 */
export class ChangeFeedStore {
  readonly #database: Database;
  readonly #options: ChangeFeedStoreOptions;
  /** The id under which this hub takes the turn. */
  readonly #holder = newId();
  /** The snapshot of the last look, in Postgres' text form; null before the first. */
  #seen: string | null = null;
  /** The organization that each lane served last. */
  #behind: [string, string] = ["", ""];
  /** How many queues the last claim served: the more, the fewer changes of each are taken at once. */
  #served = 1;
  readonly #queues = new Map<string, Queue>();
  #token: FencingToken | undefined;
  /** Until then this hub leaves the turn to others, because it could publish nothing; by `performance.now()`. */
  #leftUntil = 0;

  constructor(database: Database, options: ChangeFeedStoreOptions = {}) {
    this.#database = database;
    this.#options = options;
  }

  /**
   * The changes of rights that became visible since the previous look: those of transactions that the previous snapshot did
   * not see. So each change appears exactly once, however late it committed and however long other transactions stay open.
   * The first look returns none, because its events existed before. Events of a dump carry transaction ids of the server
   * that wrote them; ids that this server has not reached are ignored.
   */
  async look(): Promise<RightsLook> {
    const seen = this.#seen;
    const rows = await this.#database.query(
      (sql) => sql<(RightsChange & { snapshot: string; pending: boolean })[]>`
        SELECT pg_current_snapshot()::text AS snapshot, EXISTS (SELECT FROM feed_queue) AS pending, event.*
        FROM (SELECT) AS once LEFT JOIN LATERAL (
          SELECT change.entity, change.row_id AS "rowId", change.organization_id AS "organizationId",
            change.project_id AS "projectId", change.task_id AS "taskId", change.workstation_id AS "workstationId",
            change.user_id AS "userId", membership.invited AS invites,
            CASE WHEN membership.invited THEN coalesce(change.after ->> 'invited_email', change.before ->> 'invited_email',
              membership.invited_email) END AS "invitedAddress"
          FROM audit_events change CROSS JOIN LATERAL (
            SELECT change.entity = 'organization_memberships' AND coalesce('invited' IN (change.before ->> 'status',
              change.after ->> 'status', max(known.status::text)), false) AS invited, max(known.invited_email) AS invited_email
            FROM organization_memberships known
            WHERE change.entity = 'organization_memberships' AND known.id = change.row_id
          ) AS membership
          WHERE touches_rights AND ${seen}::text IS NOT NULL AND (xid >= pg_snapshot_xmax(${seen}::pg_snapshot)
              AND xid < pg_snapshot_xmax(pg_current_snapshot())
            OR xid = ANY (ARRAY(SELECT pg_snapshot_xip(${seen}::pg_snapshot))))
        ) AS event ON true`,
    );
    const [first] = rows;
    if (!first) throw new Error("a SELECT without FROM answered nothing");
    this.#seen = first.snapshot;
    return { changes: rows.filter(({ entity }) => entity !== null), pending: first.pending };
  }

  /**
   * At most `limit` changes to be published, of each organization in turn, in the order of their rows' commits. Null:
   * another hub has the turn, or this hub does not serve. Two hubs that publish at once publish the same ids, of which the
   * broker delivers the first. The fencing token excludes a hub that no longer serves, or whose keys carry a former
   * identity.
   */
  async claim(limit: number): Promise<Claim | null> {
    const token = this.#options.fence?.();
    if (token === null || !(await this.#hasTurn(token))) return null;
    const each = Math.max(Math.ceil(limit / this.#served), FEWEST);
    const { pending, more } = await this.#read({ token, behind: this.#behind, each, limit });
    if (pending.length === 0) return { pending, further: new Map(), more };
    const changes = pending.flatMap(({ change, unreadable }) => (change && unreadable === null ? [change] : []));
    const further = await this.#further(pending, changes);
    // The process may have been paused.
    if (token && this.#options.fence?.()?.term !== token.term) return null;
    this.#token = token ?? undefined;
    return { pending, further, more };
  }

  /** Removes the settled changes of the last claim. Changes nothing if this hub no longer serves. */
  async settle({ through, refused }: Settlement): Promise<void> {
    const done = [...through].flatMap(([key, id]) => {
      const queue = this.#queues.get(key);
      return queue ? [{ ...queue, id }] : [];
    });
    if (done.length > 0) await this.#database.query((sql) => settle(sql, this.#token, done, refused));
    else await this.#leave();
  }

  /** A hub that reaches the database but not Redis must not block the others from publishing. */
  async #leave(): Promise<void> {
    if (!this.#options.shared) return;
    this.#leftUntil = performance.now() + LEFT_MS;
    await this.#database.query((sql) => leaveTurn(sql, this.#holder));
  }

  async #hasTurn(token: FencingToken | undefined): Promise<boolean> {
    if (!this.#options.shared) return true;
    if (performance.now() < this.#leftUntil) return false;
    const [turn] = await this.#database.query((sql) => takeTurn(sql, this.#holder, token));
    return turn?.own === true;
  }

  /** Starts the next claim behind this one. Returns whether changes remain: the claim, one organization's share, or all shares are full. */
  #advance(claimed: readonly Claimed[], { each, limit }: ClaimQuery): boolean {
    this.#queues.clear();
    const served = new Map<string, number>();
    for (const { lane, organization, xid } of claimed) {
      this.#queues.set(keyOf({ lane, organization, xid }), { lane, organization, xid });
      const share = `${lane} ${organization}`;
      served.set(share, (served.get(share) ?? 0) + 1);
      this.#behind[lane === 0 ? 0 : 1] = organization;
    }
    this.#served = Math.max(served.size, 1);
    return claimed.length === limit || served.size >= ORGANIZATIONS || Math.max(...served.values()) >= each;
  }

  async #read(query: ClaimQuery): Promise<{ pending: PendingChange[]; more: boolean }> {
    try {
      const claimed = await this.#database.query((sql) => claimChanges(sql, query));
      const more = this.#advance(claimed, query);
      return { pending: claimed.map((one) => pendingOf(one, one.entity === null ? null : one)), more };
    } catch (error) {
      if (!isOfRow(error)) throw error;
    }
    // One of them is faulty, and must not block the others.
    const claimed = await this.#database.query((sql) => claimNext(sql, query));
    const more = this.#advance(claimed, query);
    const pending: PendingChange[] = [];
    for (const one of claimed) pending.push(await this.#readAlone(one));
    return { pending, more };
  }

  async #readAlone(claimed: Claimed): Promise<PendingChange> {
    const { id } = claimed;
    try {
      const [change] = await this.#database.query((sql) => readChange(sql, id));
      return pendingOf(claimed, change ?? null);
    } catch (error) {
      if (!isOfRow(error)) throw error;
      const [bare] = await this.#database.query((sql) => readBareChange(sql, id));
      return { ...pendingOf(claimed, bare ?? null), unreadable: error.message };
    }
  }

  /** A change whose further publications can't be read is settled alone. */
  async #further(pending: readonly PendingChange[], changes: readonly Change[]): Promise<FurtherPublications> {
    const { further = async () => new Map() } = this.#options;
    try {
      return await further(this.#database, changes);
    } catch (error) {
      if (!isOfRow(error)) throw error;
    }
    const found = new Map();
    for (const one of pending) {
      if (!one.change || one.unreadable !== null) continue;
      try {
        for (const [id, publication] of await further(this.#database, [one.change])) found.set(id, publication);
      } catch (error) {
        if (!isOfRow(error)) throw error;
        one.unreadable = messageOf(error);
      }
    }
    return found;
  }
}

/** The other hubs ask for the turn twice in this time. */
const LEFT_MS = 1_000;
/** The least number of changes claimed of each organization at once. */
const FEWEST = 8;

/** Whether a failure concerns a row's values: the database rejected them, or they can't be converted. */
function isOfRow(error: unknown): error is Error {
  if (isDatabaseFault(error)) return error.code.startsWith(DATA_EXCEPTION);
  return error instanceof Error && !(error instanceof HubError) && !("code" in error);
}

/** The class of SQLSTATEs about values. */
const DATA_EXCEPTION = "22";

const pendingOf = (claimed: Claimed, change: Change | null): PendingChange => ({
  queue: keyOf(claimed),
  id: claimed.id,
  change,
  unreadable: null,
});

const keyOf = ({ lane, organization, xid }: Queue): string => `${lane} ${organization} ${xid}`;
