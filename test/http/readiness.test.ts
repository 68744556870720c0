import { equal, is, ok } from "uvu/assert";
import { reused } from "../../hub/kernel/memoized.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("the readiness probe");

test("an answer is shared while it is pending, reused for its time, and requested again afterwards", async () => {
  let now = 0;
  let runs = 0;
  const resolvers: ((run: number) => void)[] = [];
  const read = reused(
    () => {
      runs += 1;
      return new Promise<number>((resolve) => resolvers.push(resolve));
    },
    1_000,
    () => now,
  );
  const first = [read(), read()];
  now = 5_000;
  first.push(read());
  resolvers[0]?.(runs);
  equal(await Promise.all(first), [1, 1, 1]);
  const second = read();
  resolvers[1]?.(runs);
  is(await second, 2);
  now += 999;
  is(await read(), 2);
  now += 1;
  void read();
  is(runs, 3);
});

test("a failure is shared in the same way, and expires with its time", async () => {
  let now = 0;
  let runs = 0;
  const read = reused(
    async () => {
      runs += 1;
      if (runs === 1) throw new Error("away");
      return runs;
    },
    1_000,
    () => now,
  );
  for (let call = 0; call < 3; call += 1) is(await read().catch(({ message }: Error) => message), "away");
  now = 1_000;
  is(await read(), 2);
});

test("a loop of probes costs the database one ping a second", () =>
  withHub({}, async (hub) => {
    let pings = 0;
    const ping = hub.database.ping.bind(hub.database);
    hub.database.ping = () => {
      pings += 1;
      return ping();
    };
    const begun = performance.now();
    const probe = async () => (await fetch(`${hub.url}/readyz`)).status;
    let probes = 0;
    while (performance.now() - begun < 1_500) {
      for (const status of await Promise.all([probe(), probe(), probe()])) is(status, 200);
      probes += 3;
    }
    const seconds = (performance.now() - begun) / 1_000;
    ok(pings <= Math.ceil(seconds) && probes > 10 * pings, `${pings} pings for ${probes} probes in ${seconds} s`);
  }));

test("an unavailable database is reported within a second, and a drain immediately", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    const faults = async () => ((await (await fetch(`${hub.url}/readyz`)).json()) as { faults: object }).faults;
    equal(await faults(), {});
    const stopped = hub.node.stop();
    await client.push("goaway");
    equal(await faults(), { hub: "draining" });
    await hub.database.close();
    await until("its database is reported", async () => "database" in (await faults()), 2_000);
    client.close();
    await stopped;
  }));

test.run();
