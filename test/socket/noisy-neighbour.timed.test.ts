import { ulid } from "ulid";
import { equal, ok } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a noisy neighbour");
const ATTACKERS = 90;
const IN_FLIGHT = 12;
/** Each connection stays within its own 100 calls a second. */
const PACE_MS = 120;
const ROUNDS = 60;
/** A victim stays within its own 100 calls a second, however fast the hub answers. */
const VICTIM_PACE_MS = 15;
/** The load's clients run in this process too, so that a victim waits for them as much as for the hub. */
const SLOWER_AT_MOST = 20;
const LEAST_LIMIT_MS = 1_000;

interface Victim {
  client: RawClient;
  taskId: string;
  channel: string;
}

/** A member of another organization. */
async function victimOf(hub: TestHub): Promise<Victim> {
  const other = await hub.otherTenant();
  const token = await addMember(hub, other.organizationId, "victim");
  return { client: await hub.connect(token), taskId: other.taskId, channel: `task:${other.taskId}` };
}

async function addMember({ database, mint }: TestHub, organizationId: string, subject: string): Promise<string> {
  const id = `user_${ulid()}`;
  await database.transaction("test", async (sql) => {
    await sql`INSERT INTO users (id, monster_auth_user_id, email) VALUES (${id}, ${subject}, ${`${subject}@test.invalid`})`;
    await sql`INSERT INTO organization_memberships (id, organization_id, user_id) VALUES (${`orgmem_${ulid()}`}, ${organizationId}, ${id})`;
  });
  return mint(subject);
}

/** The 99th percentile of a victim's requests, one after the other. Each must succeed. */
async function slowMs({ client, taskId, channel }: Victim, rounds = ROUNDS): Promise<number> {
  const times: number[] = [];
  const timed = async (request: Promise<unknown>) => {
    const startedAt = performance.now();
    await request;
    times.push(performance.now() - startedAt);
  };
  for (let round = 0; round < rounds; round += 1) {
    const paced = new Promise((resolve) => setTimeout(resolve, VICTIM_PACE_MS));
    await timed(client.request("rpc", { method: "tasks.get", params: { id: taskId } }));
    await timed(client.request("publish", { channel, type: "note", payload: round }));
    await timed(client.request("subscribe", { channel }));
    await timed(client.request("unsubscribe", { channel }));
    await paced;
  }
  times.sort((one, other) => one - other);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

/** Lists events with a filter that matches none. */
async function fillTrail({ database, organizationId }: TestHub): Promise<void> {
  await database.unlimited.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`;
    await sql`INSERT INTO audit_events (principal, organization_id, entity, row_id, operation, after)
      SELECT 'user:x', ${organizationId}, 'tasks', 'task_' || n, 'updated', '{}' FROM generate_series(1, 100000) n`;
  });
}

interface Load {
  codes: Map<string, number>;
  stop(): Promise<void>;
}

/** Sends requests on all these connections, `inFlight` on each, at most every `PACE_MS`. */
function start(
  clients: readonly RawClient[],
  inFlight: number,
  send: (client: RawClient, nth: number) => Promise<string>,
): Load {
  const codes = new Map<string, number>();
  let stopped = false;
  const loop = async (client: RawClient) => {
    for (let nth = 0; !stopped && client.socket.connected; nth += 1) {
      const next = performance.now() + PACE_MS;
      const code = await send(client, nth);
      codes.set(code, (codes.get(code) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, next - performance.now()));
    }
  };
  const loops = clients.flatMap((client) => Array.from({ length: inFlight }, () => loop(client)));
  return {
    codes,
    async stop() {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

const codeOf = async (client: RawClient, event: string, argument: object): Promise<string> => {
  const ack = await client.ack(event, argument);
  return ack.ok ? "ok" : ack.error.code;
};

/** During the load, the victim's calls succeed, take not much longer than before, and no client is disconnected. */
async function withstands(
  hub: TestHub,
  tokens: readonly string[],
  inFlight: number,
  send: (client: RawClient, nth: number) => Promise<string>,
): Promise<Map<string, number>> {
  const victim = await victimOf(hub);
  const clients = await Promise.all(tokens.map((token) => hub.connect(token)));
  await slowMs(victim);
  const calm = await slowMs(victim);
  const load = start(clients, inFlight, send);
  await until(
    "the load is running",
    () => [...load.codes.values()].reduce((sum, count) => sum + count, 0) > 500,
    15_000,
  );
  const busy = await slowMs(victim);
  await load.stop();
  ok(busy <= Math.max(LEAST_LIMIT_MS, SLOWER_AT_MOST * calm), `calm ${calm.toFixed(0)} ms, busy ${busy.toFixed(0)} ms`);
  ok(victim.client.socket.connected);
  equal(
    clients.filter(({ socket }) => !socket.connected),
    [],
    "connections within their own rates stay open",
  );
  return load.codes;
}

const LIMIT_MS = 60_000;

test(
  "ninety connections of one member with twelve scans in flight each slow down no other tenant",
  () =>
    withHub({}, async (hub) => {
      await fillTrail(hub);
      const tokens = Array.from({ length: ATTACKERS }, () => hub.userToken);
      const call = { method: "audit.list", params: { after: 0, filter: { operation: "deleted" } } };
      const codes = await withstands(hub, tokens, IN_FLIGHT, (client) => codeOf(client, "rpc", call));
      ok((codes.get("rate_limited") ?? 0) > 0, JSON.stringify([...codes]));
      ok((codes.get("ok") ?? 0) > 0, JSON.stringify([...codes]));
    }),
  LIMIT_MS,
);

test(
  "fifty writing members of one organization slow down no member of another",
  () =>
    withHub({}, async (hub) => {
      const tokens = await Promise.all(
        Array.from({ length: 50 }, (_, index) => addMember(hub, hub.organizationId, `member-${index}`)),
      );
      const update = (nth: number) => ({
        method: "tasks.update",
        params: { id: hub.taskId, set: { title: `T${nth}` } },
      });
      const codes = await withstands(hub, tokens, 2, (client, nth) => codeOf(client, "rpc", update(nth)));
      ok((codes.get("ok") ?? 0) > 0, JSON.stringify([...codes]));
    }),
  LIMIT_MS,
);

test(
  "a storm of subscribing, unsubscribing and publishing is limited by principal, and slows down no other tenant",
  () =>
    withHub({ env: { PRINCIPAL_RATE_FACTOR: "1" } }, async (hub) => {
      const tokens = Array.from({ length: 30 }, () => hub.userToken);
      const channel = hub.taskChannel;
      const storm = async (client: RawClient, nth: number) => {
        await codeOf(client, "subscribe", { channel });
        await codeOf(client, "unsubscribe", { channel });
        return codeOf(client, "publish", { channel, type: "note", payload: nth });
      };
      const codes = await withstands(hub, tokens, IN_FLIGHT, storm);
      ok((codes.get("rate_limited") ?? 0) > 0, JSON.stringify([...codes]));
    }),
  LIMIT_MS,
);

const [SMALL_POOL, BLOCKED_CLIENTS, BLOCKED_CALLS] = [4, 5, 4];

/** Statements that wait for a lock. */
async function blocked({ database }: TestHub): Promise<number> {
  const [row] = await database.unlimited<{ count: number }[]>`
    SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return row?.count ?? 0;
}

test(
  "slow statements of one organization, more than a small pool has connections, do not make another tenant wait",
  () =>
    withHub({ poolSize: SMALL_POOL }, async (hub) => {
      const victim = await victimOf(hub);
      const clients = await Promise.all(Array.from({ length: BLOCKED_CLIENTS }, () => hub.connect(hub.userToken)));
      await slowMs(victim, 5);
      let calls: Promise<string>[] = [];
      await hub.database.unlimited.begin(async (sql) => {
        await sql`SELECT FROM tasks WHERE id = ${hub.taskId} FOR UPDATE`;
        const update = { method: "tasks.update", params: { id: hub.taskId, set: { title: "Blocked" } } };
        calls = clients.flatMap((client) => Array.from({ length: BLOCKED_CALLS }, () => codeOf(client, "rpc", update)));
        await until("statements wait for the row", async () => (await blocked(hub)) > 0);
        // A victim that waited for one of these statements would wait for its whole time limit.
        const busy = await slowMs(victim, 5);
        ok(busy <= LEAST_LIMIT_MS, `busy ${busy.toFixed(0)} ms`);
        ok((await blocked(hub)) > 0, "the statements were still slow when the victim was done");
      });
      await Promise.all(calls);
    }),
  LIMIT_MS,
);

test.run();
