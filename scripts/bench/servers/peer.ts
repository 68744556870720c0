import { createServer } from "node:http";
import { createShardedAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import postgres, { type Sql } from "postgres";
import { Server } from "socket.io";

/**
 * The peer: a good implementation of the same job with bare Socket.IO: rooms, acks, a pool of the same
 * size as the hub's. No rights, no validation, no limits; a short history only if `PEER_HISTORY` is set.
 */
interface PeerPublish {
  channel: string;
  payload: unknown;
}
interface PeerSubscribe {
  channel: string;
  recover?: { offset: number };
}
interface PeerPublication {
  offset: number;
  payload: unknown;
}
interface PeerJoin {
  channel: string;
  meta: unknown;
}
interface PeerCall {
  method: "tasks.get" | "tasks.list" | "tasks.update";
  params: { id: string; projectId: string; limit: number; set: { title: string } };
}
type PeerAck = (reply: { ok: true; data: unknown }) => void;

const { PORT = "0", HOST = "127.0.0.1", DATABASE_URL, PEER_PRESENCE_ROOM, PEER_HISTORY, PEER_REDIS_URL } = process.env;
const kept = PEER_HISTORY === undefined ? 0 : Number(PEER_HISTORY);
const histories = new Map<string, PeerPublication[]>();
const sql = DATABASE_URL === undefined ? null : postgres(DATABASE_URL, { max: Number(process.env.PEER_POOL ?? 10) });

const METHODS: Readonly<Record<PeerCall["method"], (sql: Sql, params: PeerCall["params"]) => Promise<unknown>>> = {
  async "tasks.get"(sql, { id }) {
    const [task] = await sql`SELECT * FROM tasks WHERE id = ${id}`;
    return task;
  },
  async "tasks.list"(sql, { projectId, limit }) {
    const items = await sql`
      SELECT id, project_id AS "projectId", title, refined_title AS "refinedTitle", priority, list, list_order::float8 AS "listOrder",
        mode, workflow_template_id AS "workflowTemplateId", workflow_config AS "workflowConfig",
        project_repository_id AS "projectRepositoryId", target_branch AS "targetBranch", actor_id AS "actorId", ready,
        agent_session_status AS "agentSessionStatus", active_agent_id AS "activeAgentId",
        last_agent_session_id AS "lastAgentSessionId", dependency_count AS "dependencyCount", created_at AS "createdAt",
        updated_at AS "updatedAt", completed_at AS "completedAt"
      FROM tasks WHERE project_id = ${projectId}
      ORDER BY priority DESC, list_order, created_at, id LIMIT ${limit}`;
    return { items };
  },
  async "tasks.update"(sql, { id, set }) {
    const [task] = await sql`UPDATE tasks SET title = ${set.title} WHERE id = ${id} RETURNING *`;
    return task;
  },
};

const http = createServer((request, response) => {
  response.writeHead(request.url === "/healthz" ? 200 : 404).end();
});
const io = new Server(http);
if (PEER_REDIS_URL !== undefined) {
  const publisher = new Redis(PEER_REDIS_URL);
  io.adapter(createShardedAdapter(publisher, publisher.duplicate()));
}

io.on("connection", (socket) => {
  socket.on("subscribe", ({ channel, recover }: PeerSubscribe, ack: PeerAck) => {
    socket.join(channel);
    if (!recover) return ack({ ok: true, data: {} });
    const publications = histories.get(channel)?.filter(({ offset }) => offset > recover.offset);
    ack({ ok: true, data: { recovered: true, publications } });
  });
  socket.on("publish", ({ channel, payload }: PeerPublish, ack: PeerAck) => {
    io.to(channel).emit("publication", channel, payload);
    ack({ ok: true, data: kept === 0 ? {} : { epoch: "peer", offset: remember(channel, payload) } });
  });
  socket.on("presence.join", ({ channel, meta }: PeerJoin, ack: PeerAck) => {
    if (PEER_PRESENCE_ROOM) {
      io.to(PEER_PRESENCE_ROOM).emit("presence", PEER_PRESENCE_ROOM, { joins: [{ key: channel, meta }] });
    }
    ack({ ok: true, data: {} });
  });
  socket.on("rpc", async ({ method, params }: PeerCall, ack: PeerAck) => {
    if (sql !== null) ack({ ok: true, data: await METHODS[method](sql, params) });
  });
});

/** Stores the newest publications of a channel; returns the new one's number. */
function remember(channel: string, payload: unknown): number {
  const history = histories.get(channel) ?? [];
  const offset = (history.at(-1)?.offset ?? 0) + 1;
  history.push({ offset, payload });
  if (history.length > kept) history.shift();
  histories.set(channel, history);
  return offset;
}

http.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
