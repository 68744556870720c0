import type { Sql } from "postgres";
import { equal, is, ok } from "uvu/assert";
import { ConnectionPool } from "../../hub/store/connection-pool.ts";
import { connectTo } from "../../hub/store/database.ts";
import type { Share } from "../../hub/store/fair-queue.ts";
import { HUB_SHARE, HUB_TRANSACTIONS } from "../../hub/store/pool-shares.ts";
import { randomOf } from "../support/random.ts";
import { suite } from "../support/suite.ts";

const test = suite("the division of the database's connections");

/** No statement is sent behind one that has run for five ticks. */
const TICK_MS = 10;
const NEVER_MS = 3_600_000;
/** A server that is never queried: the pool gives out connections, and the simulation decides how long they are used. */
const NOWHERE = { socketDir: "/nonexistent" };

/** A load: new work is requested whenever fewer than `depth` pieces of it wait or run. */
interface Load {
  readonly share: Share;
  /** How many ticks a statement takes. */
  readonly ticks: number;
  readonly depth: number;
  readonly alone?: boolean;
}
interface Running {
  readonly load: Load;
  left: number;
}

/** The real pool under loads, with a clock of ticks. */
class Simulation {
  readonly pool: ConnectionPool;
  /** The longest wait for a connection in ticks, of begun and of waiting work. */
  readonly #longest = new Map<Load, number>();
  readonly #asked = new Map<Load, Set<number>>();
  /** How many pieces wait and run. */
  readonly #unfinished = new Map<Load, number>();
  readonly #running = new Map<Sql, Running[]>();
  readonly #max: number;
  #now = 0;

  constructor(max: number) {
    this.#max = max;
    this.pool = new ConnectionPool(max, NEVER_MS, () => connectTo(NOWHERE, { max: 1 }), {
      now: () => this.#now * TICK_MS,
    });
  }

  get connectionsInUse(): number {
    return [...this.#running.values()].filter(({ length }) => length > 0).length;
  }

  get waiting(): number {
    return [...this.#asked.values()].reduce((sum, { size }) => sum + size, 0);
  }

  waited(load: Load): number {
    const still = [...(this.#asked.get(load) ?? [])].map((at) => this.#now - at);
    return Math.max(this.#longest.get(load) ?? 0, ...still);
  }

  run(ticks: number, loads: readonly Load[]): void {
    for (const until = this.#now + ticks; this.#now < until; this.#now += 1) {
      while (loads.filter((load) => this.#askForOne(load)).length > 0);
      this.#advance();
      ok(this.connectionsInUse <= this.#max, "no more connections are used than there are");
    }
  }

  ask(load: Load): void {
    const asked = this.#asked.get(load) ?? new Set();
    this.#asked.set(load, asked);
    // Several may be requested in one tick.
    const at = this.#now + asked.size * 1e-6;
    asked.add(at);
    this.#count(load, 1);
    const run = (connection: Sql) => {
      asked.delete(at);
      this.#longest.set(load, Math.max(this.#longest.get(load) ?? 0, this.#now - at));
      const line = this.#running.get(connection) ?? [];
      line.push({ load, left: load.ticks });
      this.#running.set(connection, line);
    };
    this.pool.take({ share: load.share, alone: load.alone ?? false, askedAt: this.#now * TICK_MS, run });
  }

  #askForOne(load: Load): boolean {
    if ((this.#unfinished.get(load) ?? 0) >= load.depth) return false;
    this.ask(load);
    return true;
  }

  #count(load: Load, by: number): void {
    this.#unfinished.set(load, (this.#unfinished.get(load) ?? 0) + by);
  }

  /** The first statement of each connection proceeds; those behind it wait for its end. */
  #advance(): void {
    for (const [connection, line] of this.#running) {
      const [first] = line;
      if (!first) continue;
      first.left -= 1;
      if (first.left > 0) continue;
      const { alone = false } = first.load;
      ok(!alone || line.length === 1, "nothing is sent behind a transaction");
      line.shift();
      this.#count(first.load, -1);
      this.pool.giveBack(connection);
    }
  }
}

async function simulate(max: number, body: (simulation: Simulation) => void): Promise<void> {
  const simulation = new Simulation(max);
  try {
    body(simulation);
  } finally {
    await simulation.pool.close();
  }
}

const of = (organization: string, principal = `user:${organization}`): Share => ({ organization, principal });
const slow = (share: Share, depth = 200): Load => ({ share, ticks: 100, depth });
const quick = (share: Share, depth = 1): Load => ({ share, ticks: 1, depth });
const facts = quick(HUB_SHARE);
const feed: Load = { share: HUB_TRANSACTIONS, ticks: 3, depth: 1, alone: true };

/** Each of these got a connection within two ticks of each request. */
function areServed(simulation: Simulation, loads: readonly Load[], where = ""): void {
  for (const load of loads) {
    const waited = simulation.waited(load);
    ok(waited <= 2, `${load.share.principal} ${where}: ${waited} ticks`);
  }
}

test("organizations with endless slow statements delay neither other organizations nor the hub", async () => {
  for (const heavies of [1, 2, 3, 4]) {
    await simulate(10, (simulation) => {
      const heavy = Array.from({ length: heavies }, (_, index) => slow(of(`org_${index}`)));
      const victims = [quick(of("org_light")), facts, feed];
      simulation.run(1_000, heavy);
      simulation.run(2_000, [...heavy, ...victims]);
      areServed(simulation, victims, `beside ${heavies}`);
    });
  }
});

test("one principal's slow calls for one organization and then for others delay no other organization", async () => {
  for (const max of [4, 5, 10, 20]) {
    for (const others of [1, 2, 30]) {
      await simulate(max, (simulation) => {
        const everywhere = Array.from({ length: others + 1 }, (_, index) =>
          slow(of(`org_${index}`, "service:all"), 20),
        );
        const victims = [
          ...(max < 10 ? [] : [quick(of("org_x")), quick(of("org_y"))]),
          quick(of("org_z")),
          facts,
          feed,
        ];
        simulation.run(150, everywhere);
        simulation.run(1_000, [...everywhere, ...victims]);
        areServed(simulation, victims, `with ${max} connections, beside calls for ${others + 1} organizations`);
      });
    }
  }
});

test("calls of a principal that has its share delay no other member of the same organization", async () => {
  await simulate(10, (simulation) => {
    const foreign = [slow(of("org_1", "service:all")), quick(of("org_2", "service:all"), 20)];
    simulation.run(150, foreign);
    const members = ["a", "b", "c"].map((name) => quick(of("org_2", `user:${name}`)));
    simulation.run(1_000, [...foreign, ...members]);
    areServed(simulation, members);
  });
});

test("a principal of many organizations holds no more connections than others", async () => {
  await simulate(10, (simulation) => {
    for (let organization = 0; organization < 50; organization += 1)
      simulation.ask(slow(of(`org_${organization}`, "user:1")));
    is(simulation.connectionsInUse, 4);
  });
});

test("two organizations that are also busy with others' work both serve a principal of both", async () => {
  await simulate(4, (simulation) => {
    const member: Load = { share: of("org_1", "user:1"), ticks: 11, depth: 10, alone: true };
    const both = ["org_1", "org_2"].map((organization) => ({ ...slow(of(organization, "user:2"), 4), ticks: 20 }));
    simulation.run(4_000, [member, ...both, { ...feed, depth: 2 }, facts]);
    for (const load of both) {
      ok(simulation.waited(load) <= 1_000, `${load.share.organization}: ${simulation.waited(load)} ticks`);
    }
  });
});

test("a service whose calls for one busy organization never end gets its calls for others started", async () => {
  await simulate(10, (simulation) => {
    const busy = Array.from({ length: 8 }, (_, index) => slow(of(`org_${index}`)));
    const endless = quick(of("org_a", "service:all"), 8);
    simulation.run(300, [...busy, endless]);
    const other = quick(of("org_b", "service:all"));
    simulation.run(3_000, [...busy, endless, other]);
    ok(simulation.waited(other) <= 1_000, `it waited ${simulation.waited(other)} ticks`);
  });
});

test("slow transactions of the hub leave its statements a connection and organizations another", async () => {
  for (const max of [4, 5, 10]) {
    await simulate(max, (simulation) => {
      const heavy = max < 10 ? [slow(of("org_1"))] : [1, 2, 3].map((index) => slow(of(`org_${index}`)));
      const transactions: Load = { share: HUB_TRANSACTIONS, ticks: 100, depth: 20, alone: true };
      simulation.run(150, heavy);
      simulation.run(1_000, [...heavy, transactions, facts]);
      areServed(simulation, [facts], `with ${max} connections`);
    });
    await simulate(max, (simulation) => {
      const transactions: Load = { share: HUB_TRANSACTIONS, ticks: 100, depth: 20, alone: true };
      const victims = [quick(of("org_1")), facts];
      simulation.run(1_000, [transactions, ...victims]);
      areServed(simulation, victims, `with ${max} connections`);
    });
  }
});

test("a transaction of the hub begins although every organization is busy", async () => {
  for (const max of [4, 10]) {
    await simulate(max, (simulation) => {
      const busy = Array.from({ length: 30 }, (_, index) => slow(of(`org_${index}`), 2));
      simulation.run(300, busy);
      simulation.run(3_000, [...busy, feed, facts]);
      areServed(simulation, [feed, facts], `with ${max} connections`);
    });
  }
});

test("slow statements of the hub leave its quick ones and every organization a connection", async () => {
  await simulate(10, (simulation) => {
    const victims = [quick(of("org_1"))];
    simulation.run(1_000, [slow(HUB_SHARE), ...victims]);
    areServed(simulation, victims);
  });
  await simulate(10, (simulation) => {
    const heavy = [1, 2, 3].map((index) => slow(of(`org_${index}`)));
    simulation.run(150, heavy);
    simulation.run(1_000, [...heavy, slow(HUB_SHARE, 1), facts]);
    areServed(simulation, [facts]);
  });
});

test("endless statements of the hub delay no organization in a pool of any size", async () => {
  for (const max of [1, 2, 3, 4, 5, 10]) {
    await simulate(max, (simulation) => {
      const endless = quick(HUB_SHARE, 40);
      const statements = quick(of("org_1"));
      const transactions: Load = { ...quick(of("org_2")), alone: true };
      simulation.run(2_000, [endless, statements, transactions]);
      for (const load of [statements, transactions]) {
        ok(
          simulation.waited(load) <= 40,
          `${load.share.organization}, pool of ${max}: ${simulation.waited(load)} ticks`,
        );
      }
    });
  }
});

test("all work in a pool of any size begins and ends, and the hub's quick statements never wait", async () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const random = randomOf(seed);
    const max = 1 + random(12);
    const loads = Array.from({ length: 1 + random(12) }, () => {
      const [organization, principal] = [`org_${random(5)}`, `user:${random(6)}`];
      return {
        share: of(organization, principal),
        ticks: 1 + random(20),
        depth: 1 + random(12),
        alone: random(3) === 0,
      };
    });
    const transactions: Load = { share: HUB_TRANSACTIONS, ticks: 1 + random(20), depth: 1 + random(3), alone: true };
    const all = [...loads, transactions, facts];
    await simulate(max, (simulation) => {
      simulation.run(9_000, all);
      if (max >= 4) areServed(simulation, [facts], `with seed ${seed}`);
      for (const load of all) {
        const waited = simulation.waited(load);
        ok(waited <= 6_000, `seed ${seed}: ${load.share.principal} waited ${waited} ticks`);
      }
      simulation.run(3_000, []);
      equal([simulation.waiting, simulation.connectionsInUse], [0, 0], `seed ${seed}: everything ended`);
    });
  }
});

test.run();
