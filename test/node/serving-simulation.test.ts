import { equal, ok } from "uvu/assert";
import { LEASE_MS, RESERVED_MS, TAKEOVERS_APART_MS, whyNotServing } from "../../hub/node/serving.ts";
import { suite } from "../support/suite.ts";
import { type SimulatedHub, World } from "./support/simulated-hubs.ts";

const test = suite("one hub without Redis, under simulated faults");
const RUNS = Number(process.env.SIMULATED_RUNS ?? 30);
const FAULTS_UNTIL_MS = 240_000;
/** The sum of a reserved time, a lease, the end of a session by Postgres, a start, and a hand-over. */
const SETTLED_MS = RESERVED_MS + 30_000;

/** Asserts that never two hubs act while one of them has no Redis, except after a database has lost its sessions. */
function checkSafety(world: World): void {
  const acting = world.hubs.filter((hub) => hub.acts);
  const conflict = acting.length > 1 && acting.some(({ withRedis }) => !withRedis);
  const forgotten = world.timeline.now - world.sessionsEndedAt <= LEASE_MS;
  ok(!conflict || forgotten, `${acting.map(({ nodeId }) => nodeId).join()} act at ${world.timeline.now} ms`);
}

function checkTakeovers({ database: { takeovers } }: World): void {
  const apart = takeovers.slice(1).map((at, index) => at - (takeovers[index] ?? 0));
  ok(
    apart.every((ms) => ms >= TAKEOVERS_APART_MS),
    `takeovers ${takeovers.join()}`,
  );
}

type Fault = (world: World, hub: SimulatedHub) => void;

const start: Fault = (world) => void world.start(false);
const stop: Fault = (_, hub) => hub.stop();

const FAULTS: readonly Fault[] = [
  (world, hub) => {
    hub.kill(false);
    world.ended(hub);
  },
  (world, hub) => {
    hub.kill(true);
    world.ended(hub);
  },
  (world, hub) => {
    hub.pausedUntil = world.timeline.now + world.random() * 20_000;
  },
  (_, hub) => hub.cut(false),
  (_, hub) => hub.cut(true),
  stop,
  (world) => world.restartDatabase(world.random() * 10_000, world.random() < 0.2),
  start,
];

function simulate(seed: number, mix: readonly boolean[]): World {
  const world = new World(seed);
  for (const withRedis of mix) world.timeline.after(world.random() * 100_000, () => void world.start(withRedis));
  hurt(world, FAULTS);
  return world;
}

function hurt(world: World, faults: readonly Fault[]): void {
  const hurtOne = () => {
    const victim = world.running[Math.floor(world.random() * world.running.length)];
    const fault = faults[Math.floor(world.random() * faults.length)];
    // The capacity of a machine.
    if (victim && fault && (fault !== start || world.running.length < 5)) fault(world, victim);
    if (world.timeline.now < FAULTS_UNTIL_MS) world.timeline.after(500 + world.random() * 20_000, hurtOne);
  };
  world.timeline.after(2_000, hurtOne);
  world.timeline.run(FAULTS_UNTIL_MS + 20_000, () => checkSafety(world));
  world.timeline.run(world.timeline.now + SETTLED_MS, () => checkSafety(world));
  checkTakeovers(world);
}

/** Asserts that one hub serves alone, or all with Redis do; the others report why not. */
function checkLiveness(world: World): void {
  const acting = world.hubs.filter((hub) => hub.acts);
  const now = world.timeline.now;
  ok(acting.length > 0, "at least one serves");
  if (acting[0]?.withRedis) equal(acting.length, world.running.filter(({ withRedis }) => withRedis).length);
  else equal(acting.length, 1);
  for (const hub of world.running) {
    equal(whyNotServing(hub.state, now, hub.withRedis) === null, hub.acts);
  }
}

const MIXES: readonly (readonly [string, readonly boolean[]])[] = [
  ["one hub", [false]],
  ["two hubs without Redis that are left running", [false, false]],
  ["three hubs without Redis", [false, false, false]],
  ["hubs with Redis and one without", [true, true, false]],
  ["one hub with Redis among hubs without", [false, true, false]],
];

for (const [name, mix] of MIXES) {
  test(`${name}: never two serve, one serves after the faults, and takeovers are a minute apart`, () => {
    for (let seed = 1; seed <= RUNS; seed += 1) {
      try {
        checkLiveness(simulate(seed, mix));
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
  });
}

test("hubs with Redis keep serving beside a forgotten hub without when sessions end and hubs are killed", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    for (const withRedis of [true, true, false]) {
      world.start(withRedis);
      world.timeline.run(world.timeline.now + 3_000, () => checkSafety(world));
    }
    hurt(
      world,
      FAULTS.filter((fault) => fault !== stop),
    );
    checkLiveness(world);
    ok(
      world.hubs.some((hub) => hub.acts && hub.withRedis),
      `seed ${seed}`,
    );
  }
});

test("a refused hub without Redis leaves the lock to its holder through restarts of the database", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    for (let hubs = 0; hubs < 3; hubs += 1) {
      world.start(false);
      world.timeline.run(world.timeline.now + 5_000, () => checkSafety(world));
    }
    world.timeline.run(world.timeline.now + 30_000, () => checkSafety(world));
    const holder = world.hubs.find((hub) => hub.acts);
    for (const silently of [false, true, false]) {
      world.restartDatabase(world.random() * 90_000, silently);
      world.timeline.run(world.timeline.now + 120_000, () => checkSafety(world));
    }
    ok(holder?.acts, `seed ${seed}`);
    equal(world.database.takeovers.length, 1, `seed ${seed}`);
  }
});

test("a waiting hub serves a minute after a holder with Redis was killed for good", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    world.restarts = false;
    const shared = world.start(true);
    world.timeline.run(5_000, () => checkSafety(world));
    const alone = world.start(false);
    world.timeline.run(80_000, () => checkSafety(world));
    shared.kill(seed % 2 === 0);
    world.timeline.run(world.timeline.now + 45_000, () => checkSafety(world));
    ok(!alone.acts, `seed ${seed}`);
    world.timeline.run(world.timeline.now + 30_000, () => checkSafety(world));
    ok(alone.acts, `seed ${seed}`);
  }
});

test("two permanently running hubs without Redis change places once, and never again", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    world.start(false);
    world.timeline.after(1_000 + world.random() * 5_000, () => void world.start(false));
    world.timeline.run(3_600_000, () => checkSafety(world));
    equal(world.database.takeovers.length, 1, `seed ${seed}`);
  }
});

test("a newer hub serves within 5 s of its start, and the older one ends", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    world.restarts = false;
    const old = world.start(false);
    world.timeline.run(70_000, () => checkSafety(world));
    const next = world.start(false);
    world.timeline.run(75_000, () => checkSafety(world));
    ok(next.acts, `seed ${seed}`);
    equal(old.life, "ended");
  }
});

test("a holder that vanishes without closing its connection is succeeded within 6 s", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const world = new World(seed);
    const old = world.start(false);
    world.timeline.run(5_000 + world.random() * 1_000, () => checkSafety(world));
    old.kill(true);
    const next = world.start(false);
    world.timeline.run(world.timeline.now + 6_000, () => checkSafety(world));
    ok(next.acts, `seed ${seed}`);
  }
});

test.run();
