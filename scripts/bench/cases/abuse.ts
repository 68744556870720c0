import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import type { Sql } from "postgres";
import { type Attack, missed, type Struck } from "../attacks/attack.ts";
import { ATTACKS } from "../attacks/index.ts";
import { type AttackedHub, insertVictims, startAttacked, type VictimTenant } from "../attacks/scene.ts";
import type { Suffering } from "../attacks/victims.ts";
import type { BenchCase, BenchContext } from "../bench-case.ts";
import { type LoadProcess, withLoad } from "../load/load-process.ts";
import type { Figure, Sample } from "../outcome.ts";
import type { ServerProcess } from "../servers/server-process.ts";
import { percentile } from "../statistics.ts";
import { atMost, ratioAtMost, shownAlone } from "../targets.ts";

const VICTIMS = 20;
const WARM_UP_MS = 300;
const CALM_MS = 1_000;
const ATTACK_MS = 2_000;
/** Shares and pauses are limits over seconds. */
const BUILDING_MS = 5_000;
/** The after-effects of an attack (ending connections, queues) belong to it, and not to the next round's calm. */
const SETTLE_MS = 200;
const [CORE_OF_HUB, CORE_OF_LOAD] = [0, 1];

const figuresOf = ({ name }: Attack): Figure[] => [
  { name: `${name}: p99 of victims`, unit: "ms, during / calm", target: ratioAtMost(5) },
  { name: `${name}: failures`, unit: "requests", target: atMost(0, "requests") },
  { name: `${name}: disconnects`, unit: "victims", target: atMost(0, "victims") },
  { name: `${name}: frame`, unit: "ms, the longest", target: atMost(50, "ms") },
  { name: `${name}: timer lag`, unit: "ms, the longest", target: shownAlone },
];

/** Each attack of the reliability rules, and its effect on twenty clients of another tenant. */
export const abuse: BenchCase = {
  name: "abuse",
  description: `${ATTACKS.length} attacks, each beside ${VICTIMS} clients of another tenant that publish, subscribe and call tasks.get`,
  figures: ATTACKS.flatMap(figuresOf),
  rounds: 3,
  async measure(context) {
    const database = await context.database();
    const victims = await database.withSql(async (sql) => {
      await keepOffHub(sql);
      return insertVictims(sql, VICTIMS);
    });
    const scene = new Scene(database.peerEnvironment, victims);
    const samples: Sample[][] = [];
    try {
      for (const attack of ATTACKS) samples.push(...(await measureAttack(context, attack, scene)));
    } finally {
      await scene.close();
    }
    return samples;
  },
};

/** The attacked hub. Attacks share it because a start takes seconds; it keeps no state of past attacks. */
class Scene {
  readonly victims: VictimTenant;
  readonly #environment: Record<string, string>;
  #attacked: AttackedHub | null = null;

  constructor(environment: Record<string, string>, victims: VictimTenant) {
    this.#environment = environment;
    this.victims = victims;
  }

  async hub(): Promise<AttackedHub> {
    if (this.#attacked?.hub.ended) await this.close();
    if (!this.#attacked) {
      const { DATA_DIR = "" } = this.#environment;
      this.#attacked = await startAttacked({ ...this.#environment, DATA_DIR }, this.victims, "");
      pin(this.#attacked.hub.pid, CORE_OF_HUB);
    }
    return this.#attacked;
  }

  async close(): Promise<void> {
    await this.#attacked?.stop();
    this.#attacked = null;
  }
}

/** The rounds of one attack. A hub that an attack has ended is replaced for the next round. */
async function measureAttack({ rounds, progress }: BenchContext, attack: Attack, scene: Scene): Promise<Sample[][]> {
  const samples: Sample[][] = figuresOf(attack).map(() => []);
  const struck: Struck[] = [];
  const durationMs = attack.builds ? BUILDING_MS : ATTACK_MS;
  while (struck.length < rounds) {
    const { hub, attacker } = await scene.hub();
    await withLoad("victim", 1, ([victims]) =>
      withLoad("attack", 1, async ([attackers]) => {
        if (!victims || !attackers) throw new Error("there is no load");
        for (const { pid } of [victims, attackers]) pin(pid, CORE_OF_LOAD);
        const besideAttackers = attack.limitsAddress ? null : attackers.localAddress;
        await victims.call("connect", { url: hub.url, ...scene.victims, besideAttackers });
        const calm = await calmOf(victims);
        while (!hub.ended && struck.length < rounds) {
          const measured = await round({ hub, victims, calm, durationMs }, () =>
            attackers.call("run", { attack: attack.name, attacker, durationMs }),
          );
          for (const [index, sample] of measured.samples.entries()) samples[index]?.push(sample);
          struck.push(measured.struck);
          progress(`${attack.name}, round ${struck.length} of ${rounds}: ${measured.text}`);
          if (measured.lost) break;
        }
      }),
    );
    // It keeps refusing the attackers' address.
    if (attack.limitsAddress) await scene.close();
  }
  const notStruck = missed(attack, together(struck));
  if (notStruck !== null) throw new Error(notStruck);
  return samples;
}

/** The rounds combined into one attack. */
function together(rounds: readonly Struck[]): Struck {
  const seen: Record<string, number> = {};
  for (const { seen: some } of rounds)
    for (const [sighting, count] of Object.entries(some)) seen[sighting] = (seen[sighting] ?? 0) + count;
  const sum = (of: "strikes" | "refused") => rounds.reduce((total, one) => total + one[of], 0);
  const refusal = rounds.find((one) => one.refusal !== null)?.refusal ?? null;
  return { strikes: sum("strikes"), refused: sum("refused"), refusal, seen };
}

/** The victims' figures before the attack, with warm connections and code. */
async function calmOf(victims: LoadProcess<"victim">): Promise<Suffering> {
  await victims.call("work", { durationMs: WARM_UP_MS });
  const calm = await victims.call("work", { durationMs: CALM_MS });
  if (calm.latencies.length === 0) throw new Error(`no victim was answered before the attack: ${calm.failures[0]}`);
  return calm;
}

interface RoundOptions {
  hub: ServerProcess;
  victims: LoadProcess<"victim">;
  calm: Suffering;
  durationMs: number;
}

interface Round {
  samples: Sample[];
  struck: Struck;
  text: string;
  /** Whether the hub or a victim's connection did not survive: the next round needs new ones. */
  lost: boolean;
}

async function round({ hub, victims, calm, durationMs }: RoundOptions, strike: () => Promise<Struck>): Promise<Round> {
  await hub.resetStall();
  const [struck, during] = await Promise.all([strike(), victims.call("work", { durationMs })]);
  const [frameMs, lagMs] = await Promise.all([hub.frameMs(), hub.stallMs()]).catch(() => [Infinity, Infinity] as const);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const p99 = { calm: p99Of(calm), during: p99Of(during) };
  const values = [p99.during, during.failures.length, during.disconnects, frameMs, lagMs];
  const fault = faultOf(calm, during);
  const samples = values.map((ours, index) => ({
    ours,
    peer: index === 0 ? p99.calm : null,
    // The median of three must not hide the one round that hurt a victim.
    ...(fault !== null && index < 3 && { fault }),
  }));
  const text = `p99 ${p99.calm.toFixed(1)} → ${p99.during.toFixed(1)} ms, ${during.failures.length} failures, ${during.disconnects} disconnects, frame ${frameMs.toFixed(1)} ms, timer lag ${lagMs.toFixed(1)} ms; ${struck.refused} of ${struck.strikes} strikes refused${hub.ended ? "; the hub ended" : ""}`;
  return { samples, struck, text, lost: hub.ended || during.disconnects > 0 };
}

/** Without a single answer there is no percentile, and no bound for it. */
const p99Of = ({ latencies }: Suffering): number => (latencies.length > 0 ? percentile(latencies, 0.99) : Infinity);

function faultOf(calm: Suffering, during: Suffering): string | null {
  if (calm.failures.length > 0) return `a victim failed before the attack: ${calm.failures[0]}`;
  if (during.failures.length > 0) return `${during.failures.length} requests failed, the first: ${during.failures[0]}`;
  return during.disconnects > 0 ? `${during.disconnects} victims were disconnected` : null;
}

/** Pins Postgres to the load's core: on the hub's, the attackers' queries would compete with the hub for it. */
async function keepOffHub(sql: Sql): Promise<void> {
  const [{ pid } = { pid: 0 }] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  // New connections get their process from this one, and its core.
  const { stdout } = spawnSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" });
  pin(Number(stdout), CORE_OF_LOAD);
}

/** Pins a process to one core, if the system supports it and has two: load and hub must not share a core. */
function pin(pid: number, core: number): void {
  if (process.platform !== "linux" || availableParallelism() < 2) return;
  const { error, status } = spawnSync("taskset", ["-a", "-p", "-c", String(core), String(pid)]);
  if (error || status !== 0)
    throw new Error(`taskset can't keep ${pid} on core ${core}: ${error ?? status}. Install util-linux.`);
}
