import { createHash, randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import type { ErrorObject, RpcMethod } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { ulid } from "ulid";
import { equal, is, ok } from "uvu/assert";
import { PROCEDURES } from "../../hub/rpc/router/methods.ts";
import { makeEverything, Rows, TABLES, type Table } from "../store/schema/rows.ts";
import { meta, type TestHub, type TestWorkstation, withHub } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("two tenants");
/** In every row, publication and presence of the other tenant, and nowhere else. */
const MARKER = `mark${ulid().slice(-12)}`;

type Ids = Record<Table, string>;

/** A tenant whose rows contain the marker in every text. */
async function marked({ database }: TestHub): Promise<Ids> {
  const rows = new Rows(database);
  const ids = await makeEverything(rows);
  const columns = await rows.sql<{ table: Table; column: string; type: string }[]>`
    SELECT table_name AS "table", column_name AS "column", data_type AS type FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = ANY (${TABLES})
      AND (data_type IN ('text', 'character varying') AND column_name !~ '^(id|registration_token|invited_email|invited_by)$|_id$'
        OR column_name IN ('external_session_id', 'last_agent_session_id', 'monster_auth_client_id'))`;
  for (const { table, column } of columns) {
    const value = column === "email" ? `${MARKER}@example.com` : MARKER;
    await rows.set(table, ids[table], { [column]: value });
  }
  await rows.set("agents", ids.agents, { environment_vars: { KEY: MARKER }, supported_languages: [MARKER] });
  await rows.set("workstations", ids.workstations, { realtime_presence_meta: { note: MARKER } });
  await rows.set("actors", ids.actors, { focus_areas: [MARKER] });
  await rows.set("tasks", ids.tasks, { plan_steps: [MARKER], review_attachments: [MARKER] });
  await rows.set("agent_sessions", ids.agent_sessions, { files_changed: [MARKER], commits_made: [{ sha: MARKER }] });
  for (const table of TABLES.filter(
    (name) => !["project_workstations", "organization_memberships", "task_dependencies", "task_agents"].includes(name),
  ))
    ok(JSON.stringify(await rows.get(table, ids[table])).includes(MARKER), table);
  return ids;
}

const tableOf = (method: string): string =>
  (method.split(".")[0] ?? "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/**
 * Params for every method, about the other tenant's rows. A method's error names the params that it does not accept.
 */
function everything(method: RpcMethod, ids: Ids): Record<string, unknown> {
  const id = (ids as Record<string, string>)[tableOf(method)] ?? ids.organizations;
  const related = {
    organizationId: ids.organizations,
    projectId: ids.projects,
    workstationId: ids.workstations,
    agentId: ids.agents,
    taskId: ids.tasks,
    dependsOnTaskId: `task_${ulid()}`,
    userId: ids.users,
    membershipId: ids.organization_memberships,
    projectRepositoryId: ids.project_repositories,
    workstationRepositoryId: ids.workstation_repositories,
    worktreeId: ids.git_worktrees,
    workflowTemplateId: ids.workflow_templates,
    defaultWorkflowTemplateId: ids.workflow_templates,
    defaultActorId: ids.actors,
    actorId: ids.actors,
    afterId: ids.tasks,
    sessionId: ids.agent_sessions,
    channel: `workstation:${ids.workstations}`,
  };
  const plain = {
    name: "n",
    title: "t",
    slug: ulid().toLowerCase(),
    email: "x@example.com",
    memory: "m",
    list: "todo",
    ready: true,
    priority: 1,
    role: "member",
    status: "resolved",
    branch: "b",
    worktreePath: "/w",
    mainPath: "/m",
    githubUrl: `https://github.com/x/${ulid()}`,
    filename: "f",
    originalFilename: "f",
    storagePath: "/f",
    monsterAuthUserId: ulid(),
    type: "cursor",
    agents: [],
    outcome: "completed",
    decision: "approve",
    reason: "r",
    cloneStatus: "ready",
    modeSequence: [{ mode: "plan", requireReview: true }],
  };
  const filter = { ...related, rowId: ids.tasks, entity: "tasks", slug: MARKER.slice(0, 6) };
  // An event of the other tenant, which is not a row of an entity.
  return {
    ...(method === "feed.republish" ? { id: 1 } : { id }),
    ...related,
    ...plain,
    set: { ...related, ...plain },
    filter,
  };
}

/** The params without the rejected ones; the same object if none was rejected. */
function without(params: Record<string, unknown>, { details }: ErrorObject): Record<string, unknown> {
  const left = structuredClone(params);
  for (const { path } of (details ?? []) as { path: string }[]) {
    const [first = "", second] = path.split(".");
    const inner = left[first];
    if (second !== undefined && typeof inner === "object" && inner !== null) Reflect.deleteProperty(inner, second);
    else Reflect.deleteProperty(left, first);
  }
  return left;
}

const MAX_TRIES = 12;

/** Calls a method with all ids of the other tenant that it accepts, and returns the outcome. */
async function attempt(client: RawClient, method: RpcMethod, ids: Ids): Promise<string> {
  let params = everything(method, ids);
  for (let tries = 1; ; tries += 1) {
    const ack = await client.ack("rpc", { method, params });
    const answer = JSON.stringify(ack);
    if (answer.includes(MARKER)) throw new Error(`${method} ${JSON.stringify(params)} revealed: ${answer}`);
    if (ack.ok || ack.error.code !== "bad_request" || tries === MAX_TRIES) return ack.ok ? "ok" : ack.error.code;
    params = without(params, ack.error);
  }
}

async function walkChannels(client: RawClient, ids: Ids): Promise<void> {
  const channels = [
    `workstation:${ids.workstations}`,
    `project:${ids.projects}:workstations`,
    `project:${ids.projects}:tasks`,
    `task:${ids.tasks}`,
  ];
  for (const channel of channels) {
    const requests: [string, object][] = [
      ["subscribe", { channel, presence: true, recover: { epoch: "", offset: 0 } }],
      ["publish", { channel, type: "note", payload: {} }],
      ["history", { channel }],
      ["presence.list", { channel }],
      ["presence.join", { channel, meta: meta() }],
      ["presence.update", { channel, meta: meta() }],
    ];
    for (const [name, request] of requests)
      is((await client.refused(name, request)).code, "forbidden", `${name} ${channel}`);
  }
}

async function walkHttp(hub: TestHub, token: string, ids: Ids): Promise<string> {
  const headers = { authorization: `Bearer ${token}` };
  const paths = [
    `channels/task:${ids.tasks}/history`,
    `channels/project:${ids.projects}:workstations/presence`,
    `channels/workstation:${ids.workstations}/history`,
  ];
  const answers = await Promise.all(paths.map((path) => fetch(`${hub.url}/v1/${path}`, { headers })));
  equal(
    answers.map(({ status }) => status),
    [403, 403, 403],
  );
  const rpc = await fetch(`${hub.url}/v1/rpc/tasks.get`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ id: ids.tasks }),
  });
  is(rpc.status, 404);
  return [...(await Promise.all(answers.map((answer) => answer.text()))), await rpc.text()].join();
}

/**
 * Tokens of a user of every role in the hub's first tenant, its workstation, a service bound to it, and an outsider.
 */
async function tokensByRole(hub: TestHub): Promise<Map<string, string>> {
  const rows = new Rows(hub.database);
  for (const role of ["admin", "member"]) {
    const user_id = await rows.insert("users", { monster_auth_user_id: role });
    await rows.insert("organization_memberships", { organization_id: hub.organizationId, user_id, role });
  }
  return new Map([
    ["owner", hub.userToken],
    ["admin", await hub.mint("admin")],
    ["member", await hub.mint("member")],
    ["stranger", await hub.mint("stranger")],
    ["workstation", hub.workstation.token],
    ["service", hub.boundToken],
  ]);
}

/** Activity of the marked tenant: its workstation connects, disconnects and publishes, and its tasks change. */
async function stir(
  hub: TestHub,
  ids: Ids,
  station: TestWorkstation,
): Promise<{ service: RawClient; machine: RawClient }> {
  const [service] = await hub.connectAll(hub.serviceToken);
  const machine = new RawClient(hub.url, { token: station.token, client: `${MARKER}/1` });
  await machine.welcomed();
  await machine.request("presence.join", {
    channel: `workstation:${ids.workstations}`,
    meta: meta({ note: MARKER }),
  });
  await service.request("subscribe", { channel: `project:${ids.projects}:tasks` });
  for (const channel of [
    `task:${ids.tasks}`,
    `project:${ids.projects}:workstations`,
    `workstation:${ids.workstations}`,
  ])
    await service.request("publish", { channel, type: MARKER.toLowerCase(), payload: { note: MARKER } });
  await hub.database.query(
    (sql) => sql`UPDATE tasks SET description = ${`${MARKER} ${ulid()}`} WHERE id = ${ids.tasks}`,
  );
  await until("its own service receives the marker", () => JSON.stringify(service.pushes).includes(MARKER));
  return { service, machine };
}

async function tokenFor({ database }: TestHub, id: string): Promise<TestWorkstation> {
  const token = `wst_${randomBytes(32).toString("base64url")}`;
  const digest = createHash("sha256").update(token).digest("hex");
  await database.query((sql) => sql`UPDATE workstations SET registration_token = ${digest} WHERE id = ${id}`);
  return { id, token, channel: `workstation:${id}` };
}

test("nothing of a tenant reaches another one: by no method, channel, push, error or log line", async () => {
  const lines: string[] = [];
  const sink = new Writable({
    write(line, _, done) {
      lines.push(String(line));
      done();
    },
  });
  const env = {
    RPCS_PER_SECOND: "100000",
    REQUESTS_PER_SECOND: "100000",
    PUBLISHES_PER_SECOND: "100000",
  };
  await withHub({ env, log: pino({ level: "trace" }, sink) }, async (hub) => {
    const ids = await marked(hub);
    const station = await tokenFor(hub, ids.workstations);
    for (const [who, token] of await tokensByRole(hub)) {
      const client = await hub.connect(token);
      if (who !== "stranger") {
        for (const channel of [hub.taskChannel, hub.projectChannel, `project:${hub.projectId}:tasks`])
          await client.request("subscribe", { channel, presence: channel !== `project:${hub.projectId}:tasks` });
      }
      const { service, machine } = await stir(hub, ids, station);
      const named = { ...ids, connections: machine.socket.id ?? "" };
      const codes = new Set<string>();
      for (const { method } of PROCEDURES) codes.add(await attempt(client, method as RpcMethod, named));
      for (const code of ["internal", "bad_request"]) is(codes.has(code), false, `${who} ${code}`);
      await walkChannels(client, ids);
      const http = await walkHttp(hub, token, ids);
      is(http.includes(MARKER), false, `HTTP as ${who}`);
      is(JSON.stringify(client.pushes).includes(MARKER), false, `a push to ${who}`);
      is(client.disconnectReason, null, who);
      is(machine.disconnectReason, null, `${who} ended a foreign connection`);
      for (const one of [service, machine]) one.close();
    }
    const rows = new Rows(hub.database);
    for (const table of TABLES) ok(await rows.has(table, ids[table]), `the row of ${table} still exists`);
  });
  is(
    lines.find((line) => line.includes(MARKER)),
    undefined,
  );
}, 60_000);

test.run();
