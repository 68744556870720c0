import { equal, is, ok } from "uvu/assert";
import { FairQueue, type Share } from "../../hub/store/fair-queue.ts";
import { PoolShares } from "../../hub/store/pool-shares.ts";
import { randomOf } from "../support/random.ts";
import { suite } from "../support/suite.ts";

const test = suite("the database's fair queue");

interface Work {
  readonly id: number;
  readonly share: Share;
}

const share = (organization: number, principal: number): Share => ({
  organization: `org_${organization}`,
  principal: `user:${organization}.${principal}`,
});
const lineOf = ({ organization, principal }: Share): string => `${organization} ${principal}`;

/** A random history of arrivals, withdrawals and services, checked at every step. */
function simulateQueue(seed: number): void {
  const random = randomOf(seed);
  const queue = new FairQueue<Work>();
  const waiting = new Map<number, Work>();
  const lastServed = new Map<string, number>();
  /** Organization → services of each other organization while it waits for its turn. */
  const passed = new Map<string, Map<string, number>>();
  let nextId = 1;

  const arrive = () => {
    const work = { id: nextId, share: share(random(6), random(4)) };
    nextId += 1;
    queue.add(work);
    waiting.set(work.id, work);
    if (!passed.has(work.share.organization)) passed.set(work.share.organization, new Map());
  };
  const withdraw = () => {
    const works = [...waiting.values()];
    const work = works[random(works.length + 1)];
    if (!work) return;
    ok(queue.delete(work), `seed ${seed}: waiting work can be withdrawn`);
    is(queue.delete(work), false, `seed ${seed}: once`);
    waiting.delete(work.id);
    forgetIdle(work.share.organization);
  };
  const forgetIdle = (organization: string) => {
    if (![...waiting.values()].some((work) => work.share.organization === organization)) passed.delete(organization);
  };
  const begin = ({ id, share: { organization }, share: charged }: Work) => {
    ok(waiting.delete(id), `seed ${seed}: ${id} begins once, and only while it waits`);
    ok(id > (lastServed.get(lineOf(charged)) ?? 0), `seed ${seed}: a principal's work keeps its order`);
    lastServed.set(lineOf(charged), id);
    passed.set(organization, new Map());
    for (const [other, counts] of passed) {
      if (other === organization) continue;
      const count = (counts.get(organization) ?? 0) + 1;
      ok(count <= 1, `seed ${seed}: ${organization} had ${count} turns while ${other} waited for one`);
      counts.set(organization, count);
    }
    forgetIdle(organization);
  };

  for (let step = 0; step < 2_000; step += 1) {
    const action = random(10);
    if (action < 5) arrive();
    else if (action < 6) withdraw();
    else {
      let room = random(4);
      queue.serve((work) => {
        if (room === 0) return "stop";
        room -= 1;
        begin(work);
        return "begun";
      });
    }
    is(queue.size, waiting.size, `seed ${seed}: nothing is lost`);
  }
  queue.serve((work) => {
    begin(work);
    return "begun";
  });
  equal([queue.size, waiting.size], [0, 0], `seed ${seed}: everything that was not withdrawn began`);
}

test("no arrival, withdrawal or service loses work, begins it twice, or gives an organization two turns for another's one", () => {
  for (let seed = 1; seed <= 200; seed += 1) simulateQueue(seed);
});

test("in an organization a principal with a thousand statements yields to each other principal after one", () => {
  const queue = new FairQueue<Work>();
  for (let id = 0; id < 1_000; id += 1) queue.add({ id, share: share(1, 1) });
  for (let id = 1_000; id < 1_003; id += 1) queue.add({ id, share: share(1, 2) });
  const begun: number[] = [];
  queue.serve(({ id }) => (begun.push(id) <= 6 ? "begun" : "stop"));
  equal(begun.slice(0, 6), [0, 1_000, 1, 1_001, 2, 1_002]);
});

test("an organization that can't begin is passed over, and keeps its place", () => {
  const queue = new FairQueue<Work>();
  for (let id = 0; id < 6; id += 1) queue.add({ id, share: share(id % 3, 1) });
  const begun: number[] = [];
  const offer = (blocked: string) => (work: Work) => {
    if (work.share.organization === blocked) return "skip" as const;
    begun.push(work.id);
    return "begun" as const;
  };
  queue.serve(offer("org_0"));
  equal(begun, [1, 2, 4, 5]);
  queue.serve(offer("none"));
  equal(begun, [1, 2, 4, 5, 0, 3]);
  is(queue.size, 0);
});

test("a principal that must wait is passed over, within its organization and in those behind it", () => {
  const queue = new FairQueue<Work>();
  const one = (organization: string): Share => ({ organization, principal: "user:everywhere" });
  const works: Work[] = [
    { id: 1, share: one("org_1") },
    { id: 2, share: share(1, 1) },
    { id: 3, share: one("org_2") },
    { id: 4, share: share(2, 1) },
  ];
  for (const work of works) queue.add(work);
  const offered: number[] = [];
  const stopped = queue.serve(({ id, share: { principal } }) => {
    offered.push(id);
    return principal === "user:everywhere" ? "next" : "begun";
  });
  equal(offered, [1, 2, 4]);
  is(stopped, false);
  const begun: [number, boolean][] = [];
  queue.serve(({ id }, passedOver) => {
    begun.push([id, passedOver]);
    return "begun";
  });
  equal(begun, [
    [1, true],
    [3, true],
  ]);
});

test("an answer of `stop` leaves all others their places", () => {
  const queue = new FairQueue<Work>();
  for (let id = 0; id < 3; id += 1) queue.add({ id, share: share(id, 1) });
  is(
    queue.serve(({ id }) => (id === 0 ? "stop" : "begun")),
    true,
  );
  is(queue.size, 3);
});

test("a pool of up to three connections is not divided", () => {
  for (const max of [1, 2, 3]) {
    const held = new PoolShares(max);
    for (let free = max; free > 0; free -= 1) {
      ok(held.mayTake(share(1, 1), free, false));
      held.take(share(1, 1));
    }
    is(held.mayTake(share(2, 1), 0, false), false);
  }
});

test("the queue keeps no data of connections that were given back", () => {
  const held = new PoolShares(10);
  held.take(share(1, 1));
  is(held.refusal(share(1, 2), 0), "skip");
  is(held.refusal(share(2, 1), 0), "stop");
  is(held.refusal({ ...share(2, 1), principal: share(1, 1).principal }, 0), "next");
  held.giveBack(share(1, 1));
  is(held.refusal(share(1, 1), 0), "stop");
});

test.run();
