import { equal, is, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { Deployment, faultOf, type Instance, ready } from "./support/deployment.ts";
import { isReady } from "./support/ready-proxy.ts";

const test = suite("a deployment of a hub without Redis");
const SERVED_AGAIN_MS = 5_000;

/** Machines and pages at work while `deploy` replaces the hub; checks what they observed. */
async function duringDeploy(deploy: (deployment: Deployment, old: Instance) => Promise<void>): Promise<void> {
  await Deployment.with(async (deployment) => {
    const old = await deployment.start();
    const machines = [await deployment.workstation(), await deployment.workstation()];
    const watchers = [await deployment.watcher(), await deployment.watcher()];
    const clients = [...machines, ...watchers].map(({ client }) => client);
    await until("all are on the rosters", () => watchers.every(({ members }) => members.length === machines.length));
    const nodes = async () => Promise.all(clients.map(async (client) => (await client.connect()).nodeId));
    const [oldNode] = await nodes();
    let over = false;
    const changes = deployment.changeUntil(() => over);
    try {
      await deploy(deployment, old);
      const readyAt = performance.now();
      await until(
        "all are served by the new hub",
        async () => (await nodes()).every((node) => node !== oldNode),
        SERVED_AGAIN_MS * 3,
      );
      await Promise.all(watchers.map(({ client }) => client.rpc("tasks.get", { id: deployment.taskId })));
      const servedMs = performance.now() - readyAt;
      ok(servedMs < SERVED_AGAIN_MS, `served again after ${servedMs} ms`);
      const known = watchers.map((watcher) => watcher.known);
      await until("changes arrive", () => watchers.every((watcher, index) => watcher.known > (known[index] ?? 0) + 20));
    } finally {
      over = true;
    }
    const last = await changes;
    await until("no change is missing", () => watchers.every((watcher) => watcher.known === last));
    equal(
      watchers.flatMap(({ holes }) => holes),
      [],
    );
    // The time after which a hub would treat them as lost.
    const settled = performance.now() + 8_000;
    await until("the successor has settled", () => performance.now() > settled, 10_000);
    equal(
      watchers.flatMap(({ leaves }) => leaves),
      [],
    );
    is(await deployment.timesOffline(), 0);
    is(await old.process.exited, 0, old.process.output);
  });
}

test(
  "a platform that stops the old hub only when the new one is ready: the new one takes over, the old one ends with 0",
  () =>
    duringDeploy(async (deployment) => {
      await ready(await deployment.launch());
    }),
  120_000,
);

test(
  "a platform that stops the old hub first: the new one serves as soon as it has started",
  () =>
    duringDeploy(async (deployment, old) => {
      old.process.kill("SIGTERM");
      await old.process.exited;
      await deployment.start();
    }),
  120_000,
);

test(
  "a platform that starts the new hub while the old one drains: the drain does not delay it",
  () =>
    duringDeploy(async (deployment, old) => {
      const next = await deployment.launch({ DRAIN_MS: "20000" });
      await until("it waits", async () => (await faultOf(next)) !== null || (await isReady(next.port)), 60_000);
      old.process.kill("SIGTERM");
      await ready(next);
    }),
  120_000,
);

test.run();
