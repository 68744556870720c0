import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { equal, is, match, ok } from "uvu/assert";
import { attackWith } from "../../scripts/bench/attacks/attack.ts";
import { attackNamed } from "../../scripts/bench/attacks/index.ts";
import {
  type AttackedHub,
  insertVictims,
  startAttacked,
  type VictimTenant,
} from "../../scripts/bench/attacks/scene.ts";
import { EngineClient } from "../../scripts/bench/load/engine-client.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a member who publishes endlessly");
const LIMIT_MS = 120_000;
const MIB = 1_024 * 1_024;
const HEAP_MIB = 160;
const REDIS_MIB = 60;
const PROBE_MS = 20;
const META = { status: "online", availableAgents: [], activeProjects: [], currentTaskCount: 0 };
/** The attack must not take minutes to publish more than the heap could hold. */
const FAST = { BYTES_PER_SECOND: String(64 * MIB), PUBLISHES_PER_SECOND: "2000", REQUESTS_PER_SECOND: "5000" };
const [LANES, BYTES_A_STRIKE] = [4, 15 * 65_000];
/** Per lane, so that more is published than fits. */
const strikesFor = (mib: number) => Math.ceil((1.3 * mib * MIB) / (LANES * BYTES_A_STRIKE));

interface Position {
  epoch: string;
  offset: number;
}

interface Joining {
  client: EngineClient;
  channel: string;
}

interface Probe {
  status: number;
  body: { faults: Record<string, string>; warnings?: Record<string, string> };
}

interface Scene extends AttackedHub {
  victims: VictimTenant;
}

const urlOf = ({ socketDir, user, database }: DatabaseInfo): string =>
  `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;

function withAttacked(environment: Record<string, string>, body: (scene: Scene) => Promise<void>): Promise<void> {
  return withDatabase(async (database, info) => {
    const victims = await insertVictims(database.unlimited, 1);
    const folder = mkdtempSync(join(tmpdir(), "flood-"));
    try {
      const all = { DATA_DIR: folder, DATABASE_URL: urlOf(info), ...FAST, ...environment };
      const attacked = await startAttacked(all, victims, "127.0.0.3");
      try {
        await body({ ...attacked, victims });
      } finally {
        await attacked.stop();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function withClient(url: string, token: string, body: (client: EngineClient) => Promise<void>): Promise<void> {
  const client = await EngineClient.connect({ url, token });
  try {
    await body(client);
  } finally {
    client.close();
  }
}

async function probe(url: string): Promise<Probe> {
  const answer = await fetch(`${url}/readyz`);
  return { status: answer.status, body: (await answer.json()) as Probe["body"] };
}

const publish = (client: EngineClient, channel: string): Promise<Position> =>
  client.call<Position>("publish", { channel, type: "note", payload: 1 });

const recovered = async (client: EngineClient, channel: string, { epoch, offset }: Position): Promise<boolean> =>
  (await client.call<{ recovered: boolean }>("subscribe", { channel, recover: { epoch, offset } })).recovered;

/** The frames that the hub pushed. */
function pushedTo(client: EngineClient): string[] {
  const frames: string[] = [];
  client.onEvent = (frame) => void frames.push(frame.toString());
  return frames;
}

/** The work of another organization during the attack; rejects if any of it fails. */
async function workBeside({ victims }: Scene, victim: EngineClient, workstation: Joining): Promise<void> {
  const [taskId] = victims.taskIds;
  const pushed = pushedTo(victim);
  await publish(victim, `task:${taskId}`);
  const title = `Changed ${performance.now()}`;
  await victim.call("rpc", { method: "tasks.update", params: { id: taskId, set: { title } } });
  await until("the change is delivered", () => pushed.some((frame) => frame.includes(title)));
  await workstation.client.call("presence.join", { channel: workstation.channel, meta: META });
  await workstation.client.call("presence.leave", { channel: workstation.channel });
}

async function historyBytes({ hub }: Scene): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(/^hub_history_bytes (\S+)/m.exec(text)?.[1]);
}

test(
  "does not end a hub without Redis, and removes no other organization's history",
  () =>
    withAttacked({ NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }, async (scene) => {
      const { hub, attacker, victims } = scene;
      const [taskId] = victims.taskIds;
      const [quiet, flooded] = [`task:${taskId}`, `workstation:${attacker.workstationId}`];
      await withClient(hub.url, victims.token, (victim) =>
        withClient(hub.url, attacker.userToken, async (member) => {
          const [ofVictim, ofMember] = [await publish(victim, quiet), await publish(member, flooded)];
          await publish(victim, quiet);
          await publish(member, flooded);
          const { seen } = await attackWith(attackNamed("history-flood"), attacker, {
            lanes: LANES,
            strikes: strikesFor(HEAP_MIB),
          });
          equal(hub.ended, false);
          const accepted = ((seen.ok ?? 0) / 16) * BYTES_A_STRIKE;
          ok(accepted > HEAP_MIB * MIB, `only ${accepted} bytes were accepted: ${JSON.stringify(seen)}`);
          ok((await historyBytes(scene)) < (HEAP_MIB / 4 + 20) * MIB);
          is(await recovered(victim, quiet, ofVictim), true);
          is(await recovered(member, flooded, ofMember), false);
        }),
      );
    }),
  LIMIT_MS,
);

test.needing("redis-server")(
  "does not fill Redis: another organization publishes, joins and receives changes, and the probe warns the operator",
  () =>
    withRedis(
      ({ url, admin }) =>
        withAttacked({ REDIS_URL: url }, async (scene) => {
          const { hub, attacker, victims } = scene;
          const flooded = `workstation:${attacker.workstationId}`;
          await withClient(hub.url, victims.token, (victim) =>
            withClient(hub.url, attacker.workstationToken, async (client) => {
              await victim.call("subscribe", { channel: `task:${victims.taskIds[0]}` });
              const first = await publish(client, flooded);
              await publish(client, flooded);
              let isOver = false;
              const attack = attackWith(attackNamed("history-flood"), attacker, {
                lanes: LANES,
                strikes: strikesFor(REDIS_MIB),
              });
              const over = attack.finally(() => {
                isOver = true;
              });
              const warnings: unknown[] = [];
              // Beside the work, which takes longer than Redis is short of memory.
              const probes = async () => {
                while (!isOver) {
                  const { status, body } = await probe(hub.url);
                  equal([status, body.faults], [200, {}]);
                  if (body.warnings?.redis) warnings.push(body.warnings.redis);
                  await setTimeout(PROBE_MS);
                }
              };
              const works = async () => {
                while (!isOver) await workBeside(scene, victim, { client, channel: flooded });
              };
              const [{ seen }] = await Promise.all([over, probes(), works()]);
              ok(
                ((seen.ok ?? 0) / 16) * BYTES_A_STRIKE > REDIS_MIB * MIB,
                `too little was accepted: ${JSON.stringify(seen)}`,
              );
              match(String(warnings[0]), /short of memory.*Raise maxmemory/);
              is(await recovered(client, flooded, first), false);
              is(/errorstat_OOM/.test(await admin.info("errorstats")), false, "Redis refused a command");
            }),
          );
        }),
      ["--maxmemory", `${REDIS_MIB}mb`],
    ),
  LIMIT_MS,
);

test.run();
