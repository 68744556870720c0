import type { PendingQuery } from "postgres";
import type { Change, Refusal } from "../feed/change.ts";
import { runSql, type Statements } from "../kernel/statements.ts";
import { type FencingToken, validText } from "./fence.ts";

/** Organizations of each lane that one claim serves; the next claim begins behind them. */
export const ORGANIZATIONS = 32;

/**
 * How many changes of lane 0 of each organization precede everything else. Enough for rights and assignments that people
 * wait for; over all organizations of a claim, less than the claim takes. More of them are treated as a backlog.
 */
const FIRST = 4;

/** A queue of the feed: the changes of one transaction in one organization and lane. */
export interface Queue {
  lane: number;
  organization: string;
  xid: string;
}

/** A pending event, and its queue. */
export type Claimed = Queue & { id: string };

export type ClaimedChange = Claimed & (Change | { entity: null });

export interface ClaimQuery {
  token: FencingToken | undefined;
  /** The organizations after which the claim begins, for lanes 0 and 1. */
  behind: readonly [string, string];
  /** The most changes of one organization and lane. */
  each: number;
  limit: number;
}

/** The columns of a change. */
const CHANGE = `(extract(epoch FROM event.at) * 1000)::bigint || '.' || event.nonce AS stamp,
  principal, organization_id AS "organizationId", project_id AS "projectId", task_id AS "taskId",
  workstation_id AS "workstationId", user_id AS "userId", entity, row_id AS "rowId",
  CASE WHEN operation = 'republished' THEN before ->> 'operation' ELSE operation::text END AS operation,
  before ->> 'project_id' AS "formerProjectId", after,
  ARRAY(SELECT jsonb_object_keys(event.omitted -> 'after')) AS omitted,
  CASE WHEN entity = 'agent_sessions' AND operation = 'deleted'
    THEN before - ARRAY['output_summary', 'files_changed', 'commits_made', 'error_message'] END AS removed,
  CASE WHEN entity = 'workstations' THEN ARRAY(
    SELECT project_id FROM project_workstations WHERE workstation_id = row_id) ELSE '{}' END AS "attachedTo"`;

const NO_BOUND = "9223372036854775807";

/** The first queues of the organization and lane in `turns`. */
const WAITING = `SELECT xid, next_id FROM feed_queue q WHERE q.lane = turns.lane AND q.organization_id = turns.organization_id
  ORDER BY next_id LIMIT $3::int`;

/** The first events of such a `queue`, up to `last`; none if they are purged. */
const eventsUpTo = (last: string) => `LEFT JOIN LATERAL (
  SELECT id FROM audit_events e WHERE e.xid = queue.xid AND e.lane = turns.lane
    AND coalesce(e.organization_id, '') = turns.organization_id AND e.id <= ${last}
    AND (e.xid, e.lane, coalesce(e.organization_id, ''), e.id) >= (queue.xid, turns.lane, turns.organization_id, queue.next_id)
  ORDER BY e.xid, e.lane, coalesce(e.organization_id, ''), e.id LIMIT $3::int) AS later ON true`;

/**
 * Claims the next events: a few of lane 0 first, then one of each organization and lane in turn, each in the order of
 * ids. Each other organization costs one step in the index, and only committed events are read. So neither a backlog nor
 * a large open transaction of one organization slows down the others. If the events of a queue were purged, the queue's
 * current number is claimed, so that it is settled. The comparison of whole rows makes Postgres use the lanes' index: by
 * number alone it would read all later events of other organizations. Postgres plans these texts at each call, because
 * the table is empty at most times and large at others.
 */
export function claimNext(sql: Statements, query: ClaimQuery): PendingQuery<Claimed[]> {
  const { text, values } = claimOf(query);
  return runSql<Claimed>(sql, text, values);
}

/** Claims the same events with their changes; `entity` is null if the event was purged. */
export function claimChanges(sql: Statements, query: ClaimQuery): PendingQuery<ClaimedChange[]> {
  const { text, values } = claimOf(query);
  return runSql<ClaimedChange>(
    sql,
    `SELECT claimed.id, claimed.lane, claimed.organization, claimed.xid, change.*
    FROM (SELECT next.*, row_number() OVER () AS place FROM (${text}) AS next) AS claimed
    LEFT JOIN LATERAL (SELECT ${CHANGE} FROM audit_events event WHERE event.id = claimed.id::bigint) AS change ON true
    ORDER BY claimed.place`,
    values,
  );
}

/** `last`: the greatest number among any `each` events bounds the numbers of the first `each`, so that no others are read. */
function claimOf({ token, behind, each, limit }: ClaimQuery): { text: string; values: unknown[] } {
  const fence = validText(token, 5);
  return {
    text: `WITH RECURSIVE turns (lane, behind, organization_id, wrapped, place) AS (
      SELECT start.lane, start.behind, start.behind, false, 0
      FROM (VALUES (0::smallint, $1::text), (1::smallint, $2::text)) AS start (lane, behind) WHERE ${fence.text}
      UNION ALL
      SELECT turns.lane, turns.behind, next.organization_id, next.wrapped, turns.place + 1
      FROM turns CROSS JOIN LATERAL (
        (SELECT q.organization_id, turns.wrapped FROM feed_queue q
          WHERE q.lane = turns.lane AND q.organization_id > turns.organization_id
            AND (NOT turns.wrapped OR q.organization_id <= turns.behind) ORDER BY q.organization_id LIMIT 1)
        UNION ALL
        (SELECT q.organization_id, true FROM feed_queue q
          WHERE NOT turns.wrapped AND q.lane = turns.lane AND q.organization_id <= turns.behind
          ORDER BY q.organization_id LIMIT 1)
        LIMIT 1) AS next
      WHERE turns.place < ${ORGANIZATIONS}
    )
    SELECT picked.id::text, picked.lane, picked.organization_id AS organization, picked.xid::text FROM (
      SELECT event.id, turns.lane, turns.organization_id, event.xid, turns.place,
        row_number() OVER (PARTITION BY turns.lane, turns.place ORDER BY event.id) AS rank
      FROM turns CROSS JOIN LATERAL (
        SELECT least(max(id), (SELECT next_id FROM feed_queue q
          WHERE q.lane = turns.lane AND q.organization_id = turns.organization_id ORDER BY next_id OFFSET $3::int LIMIT 1)) AS id
        FROM (SELECT coalesce(later.id, queue.next_id) AS id FROM (${WAITING}) AS queue ${eventsUpTo(NO_BOUND)} LIMIT $3::int) AS first
      ) AS last CROSS JOIN LATERAL (
        SELECT coalesce(later.id, queue.next_id) AS id, queue.xid FROM (${WAITING}) AS queue ${eventsUpTo("last.id")}
        WHERE queue.next_id <= last.id ORDER BY 1 LIMIT $3::int) AS event
      WHERE turns.place > 0
    ) AS picked ORDER BY picked.lane = 1 OR picked.rank > ${FIRST}, picked.rank, picked.lane, picked.place LIMIT $4::int`,
    values: [...behind, each, limit, ...fence.values],
  };
}

/** The change of this event. */
export function readChange(sql: Statements, id: string): PendingQuery<Change[]> {
  return runSql<Change>(sql, `SELECT id::text, ${CHANGE} FROM audit_events event WHERE id = $1::bigint`, [id]);
}

/** Reads changes whose values can't be read: only the columns that identify their rows. */
export function readBareChange(sql: Statements, id: string): PendingQuery<Change[]> {
  return runSql<Change>(
    sql,
    `SELECT id::text, (extract(epoch FROM at) * 1000)::bigint || '.' || nonce AS stamp, principal,
      organization_id AS "organizationId", project_id AS "projectId", task_id AS "taskId", workstation_id AS "workstationId",
      user_id AS "userId", entity, row_id AS "rowId", operation::text, NULL AS "formerProjectId", NULL AS after,
      '{}'::text[] AS omitted, NULL AS removed, '{}'::text[] AS "attachedTo"
    FROM audit_events WHERE id = $1::bigint`,
    [id],
  );
}

/** Removes settled changes from the queues, and sets rejected ones aside. A late publisher never moves a queue back. */
export function settle(
  sql: Statements,
  token: FencingToken | undefined,
  through: readonly (Queue & { id: string })[],
  refused: readonly Refusal[],
): PendingQuery<never[]> {
  const fence = validText(token, 3);
  return runSql<never>(
    sql,
    `WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    done AS MATERIALIZED (
      SELECT done.*, (SELECT e.id FROM audit_events e WHERE e.xid = done.xid AND e.lane = done.lane
        AND coalesce(e.organization_id, '') = done.organization
        AND (e.xid, e.lane, coalesce(e.organization_id, ''), e.id) > (done.xid, done.lane, done.organization, done.id)
        ORDER BY e.xid, e.lane, coalesce(e.organization_id, ''), e.id LIMIT 1) AS next_id
      FROM unhurried CROSS JOIN jsonb_to_recordset($1::text::jsonb) AS done (lane smallint, organization text, xid xid8, id bigint)
      WHERE ${fence.text}
    ), aside AS (
      INSERT INTO feed_refused (id, organization_id, code, reason)
      SELECT e.id, e.organization_id, refused.code, refused.reason
      FROM jsonb_to_recordset($2::text::jsonb) AS refused (id bigint, code text, reason text)
      JOIN audit_events e ON e.id = refused.id WHERE EXISTS (SELECT FROM done)
      ON CONFLICT (id) DO NOTHING
    ), moved AS (
      UPDATE feed_queue q SET next_id = done.next_id FROM done
      WHERE q.lane = done.lane AND q.organization_id = done.organization AND q.xid = done.xid AND q.next_id <= done.id
        AND done.next_id IS NOT NULL
    )
    DELETE FROM feed_queue q USING done
    WHERE q.lane = done.lane AND q.organization_id = done.organization AND q.xid = done.xid AND done.next_id IS NULL`,
    [JSON.stringify(through), JSON.stringify(refused), ...fence.values],
    true,
  );
}

/** Gives the turn to the next hub that asks for it. */
export function leaveTurn(sql: Statements, holder: string): PendingQuery<never[]> {
  return runSql<never>(sql, "UPDATE feed_turn SET until = '-infinity' WHERE holder = $1", [holder]);
}

/** How long a turn lasts. After a publisher dies, another one takes over after this time. */
const TURN_MS = 2_000;

/**
 * Takes or keeps the turn to publish. The turn only saves work; no guarantee depends on it. A hub whose token is no longer
 * valid can't take it from serving hubs. A turn that ends later than possible was written by a clock that was set back,
 * and counts as free. The turn is written once in half its time.
 */
export function takeTurn(
  sql: Statements,
  holder: string,
  token: FencingToken | undefined,
): PendingQuery<{ own: boolean }[]> {
  const now = "clock_timestamp()";
  const fence = validText(token, 2);
  const [turn, half, latest] = [TURN_MS, TURN_MS / 2, TURN_MS + 1].map((ms) => `interval '${ms} milliseconds'`);
  return runSql<{ own: boolean }>(
    sql,
    `WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
    kept AS MATERIALIZED (
      SELECT holder = $1 AND until BETWEEN ${now} + ${half} AND ${now} + ${latest} AS own,
        holder <> $1 AND until BETWEEN ${now} AND ${now} + ${latest} AS taken FROM feed_turn
    ), written AS (
      INSERT INTO feed_turn AS turn (holder, until) SELECT $1, ${now} + ${turn} FROM unhurried
      WHERE ${fence.text} AND NOT EXISTS (SELECT FROM kept WHERE own OR taken)
      ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, until = excluded.until
      WHERE turn.holder = $1 OR turn.until NOT BETWEEN ${now} AND ${now} + ${latest}
      RETURNING 1)
    SELECT EXISTS (SELECT FROM written) OR EXISTS (SELECT FROM kept WHERE own) AS own`,
    [holder, ...fence.values],
  );
}
