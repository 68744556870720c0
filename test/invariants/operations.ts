import fc from "fast-check";
import type { TestCluster } from "./nodes.ts";
import type { World } from "./world.ts";

/** The operations of a run; numbers select among the existing clients, nodes and channels. */
export type Operation =
  | { kind: "publish"; who: number; channel: number; count: number; ephemeral: boolean }
  | { kind: "join" | "leave" | "cut" | "ask" | "suspend" | "change"; who: number }
  | { kind: "wait"; ms: number }
  | { kind: "kill" | "pause"; node: number }
  | { kind: "lose-redis" | "freeze-redis" | "drop-postgres" };

const who = fc.nat({ max: 30 });

/** Mostly work, some faults. `alone`: a single node, without other nodes and without Redis. */
export function operations({ redis }: { redis: boolean }): fc.Arbitrary<Operation[]> {
  const plain = (kind: Operation["kind"]) => fc.record({ kind: fc.constant(kind), who }) as fc.Arbitrary<Operation>;
  const publish = fc.record({
    kind: fc.constant("publish" as const),
    who,
    channel: who,
    count: fc.integer({ min: 1, max: 8 }),
    ephemeral: fc.boolean(),
  });
  const wait = fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 120 }) });
  const node = (kind: "kill" | "pause") => fc.record({ kind: fc.constant(kind), node: who }) as fc.Arbitrary<Operation>;
  const fault = (kind: Operation["kind"]) => fc.constant({ kind } as Operation);
  const operation = fc.oneof(
    { weight: 10, arbitrary: publish as fc.Arbitrary<Operation> },
    { weight: 4, arbitrary: plain("join") },
    { weight: 2, arbitrary: plain("leave") },
    { weight: 3, arbitrary: plain("cut") },
    { weight: 2, arbitrary: plain("ask") },
    { weight: 2, arbitrary: plain("change") },
    { weight: 1, arbitrary: plain("suspend") },
    { weight: 5, arbitrary: wait as fc.Arbitrary<Operation> },
    { weight: 1, arbitrary: fault("drop-postgres") },
    { weight: 1, arbitrary: node("kill") },
    ...(redis
      ? [
          { weight: 1, arbitrary: node("pause") },
          { weight: 1, arbitrary: fault("lose-redis") },
          { weight: 1, arbitrary: fault("freeze-redis") },
        ]
      : []),
  );
  return fc.array(operation, { minLength: 10, maxLength: 40 });
}

const PAUSE_MS = 1_500;

/** Executes one operation; its background work is pushed to `running`. */
export async function perform(
  operation: Operation,
  world: World,
  cluster: TestCluster,
  running: Promise<unknown>[],
): Promise<void> {
  switch (operation.kind) {
    case "publish":
      for (let count = 0; count < operation.count; count += 1)
        world.publish(operation.who, operation.channel, operation.ephemeral);
      break;
    case "join":
      world.join(operation.who, operation.who);
      break;
    case "leave":
      world.leave(operation.who);
      break;
    case "cut":
      world.cut(operation.who);
      break;
    case "ask":
      world.ask(operation.who);
      break;
    case "suspend":
      await world.suspend(operation.who);
      break;
    case "change":
      await world.change(operation.who);
      break;
    case "wait":
      await new Promise((resolve) => setTimeout(resolve, operation.ms));
      break;
    case "kill":
      if (!cluster.hasRedis) world.log.streamsLost.push(performance.now());
      await cluster.kill(operation.node % cluster.ports.length);
      running.push(cluster.heal());
      break;
    case "pause":
      running.push(cluster.pause(operation.node % cluster.ports.length, PAUSE_MS));
      break;
    case "lose-redis":
      // Before it starts: observations during it may already be of the new stream.
      world.log.streamsLost.push(performance.now());
      await cluster.loseRedis();
      break;
    case "freeze-redis":
      running.push(cluster.freezeRedis(PAUSE_MS));
      break;
    case "drop-postgres":
      await cluster.restartPostgres();
      break;
  }
}
