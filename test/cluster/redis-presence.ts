import type { Member, PresencePosition } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { HubError } from "../../hub/kernel/errors.ts";
import { NodePresence, type NodePresenceOptions } from "../../hub/presence/node-presence.ts";
import type { JoinRequest, WorkstationPresence } from "../../hub/presence/presence.ts";
import { RedisRecords } from "../../hub/presence/redis-records.ts";
import { RedisConnection } from "../../hub/redis/connection.ts";
import { KeySpace } from "../../hub/redis/key-space.ts";
import { RedisSubscriptions } from "../../hub/redis/subscriptions.ts";

/** The identity of the nodes' database. */
export const IDENTITY = "presence";
export const GRACE_MS = 400;
export const LEASE_MS = 900;

export type NodeSettings = Partial<
  Pick<NodePresenceOptions, "graceMs" | "leaseMs" | "settleMs" | "diffWindowMs" | "now"> & {
    nodeId: string;
    /** The identity of the database. */
    identity: string;
    /** Also called for each change. */
    changed(presence: WorkstationPresence): void;
  }
>;

/** A node's presence with separate connections, and the events that it emitted. */
export interface PresenceNode {
  store: NodePresence;
  redis: RedisConnection;
  changed: WorkstationPresence[];
  replaced: { connectionId: string; channel: string }[];
  gaveUp: string[];
  /** Ends it like a crash, without any cleanup. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

let nodes = 0;
let generations = 0;

export async function presenceOn(url: string, settings: NodeSettings = {}): Promise<PresenceNode> {
  nodes += 1;
  const log = pino({ level: process.env.TEST_LOG ?? "silent" });
  const redis = await RedisConnection.open({ url, keys: new KeySpace(settings.identity ?? IDENTITY), log });
  const subscriptions = new RedisSubscriptions(redis, { beatMs: 200 });
  const changed: WorkstationPresence[] = [];
  const replaced: { connectionId: string; channel: string }[] = [];
  const gaveUp: string[] = [];
  const events = {
    workstationChanged: (presence: WorkstationPresence) => {
      changed.push(presence);
      settings.changed?.(presence);
    },
    replaced: (connectionId: string, channel: string) => void replaced.push({ connectionId, channel }),
    gaveUp: (connectionId: string) => void gaveUp.push(connectionId),
  };
  const times = { graceMs: GRACE_MS, leaseMs: LEASE_MS, nodeId: `node_${nodes}` };
  const now = settings.now ?? (() => performance.now());
  const drawGeneration = async () => ++generations;
  const records = new RedisRecords({ redis, subscriptions, now });
  const store = await NodePresence.open({ ...times, ...settings, now, store: records, drawGeneration, events, log });
  const cut = async () => {
    subscriptions.close();
    await redis.close();
  };
  const kill = async () => {
    await cut();
    await store.close();
  };
  const close = async () => {
    await store.close();
    await cut();
  };
  return { store, redis, changed, replaced, gaveUp, kill, close };
}

export const WS = "ws_01HZZZZZZZZZZZZZZZZZZZZZZZ";
export const OWN = `workstation:${WS}`;
export const PROJECT = "proj_01HZZZZZZZZZZZZZZZZZZZZZZZ";
export const PROJECT_CHANNEL = `project:${PROJECT}:workstations`;
export const TASK = "task:task_01HZZZZZZZZZZZZZZZZZZZZZZZ";

/** A workstation's join. `meta` identifies the join. */
export function workstation(connectionId: string, meta = {}, id = WS, projectIds: string[] = [PROJECT]): JoinRequest {
  const key = `workstation:${id}`;
  const client = { ipAddress: null, userAgent: null, cliVersion: null };
  const memberKey = { workstationId: id };
  const ticket = { value: null, known: null };
  return { channel: key, connectionId, key, memberKey, meta, workstation: { projectIds, client, ticket } };
}

/** Joins as a workstation's connection does: it is admitted before, and asks again where another one was first. */
export async function join({ store }: PresenceNode, request: JoinRequest): Promise<PresencePosition> {
  const { workstation: of, channel } = request;
  if (!of) throw new Error("this is no workstation");
  const ticket = await store.admit(channel.slice("workstation:".length));
  for (;;) {
    try {
      return await store.join({ ...request, workstation: { ...of, ticket } });
    } catch (error) {
      if (!(error instanceof HubError) || error.retryAfterMs !== 0) throw error;
    }
  }
}

export function user(connectionId: string, meta = {}, id = "u"): JoinRequest {
  return { channel: TASK, connectionId, key: `user:${id}`, memberKey: { userId: id }, meta };
}

/** The compared fields of a roster's members. */
export async function membersOf(
  { store }: PresenceNode,
  channel: string,
): Promise<Pick<Member, "key" | "state" | "connections" | "meta">[]> {
  const { members } = await store.list(channel);
  return members.map(({ key, state, connections, meta }) => ({ key, state, connections, meta }));
}
