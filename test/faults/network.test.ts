import type { PresenceDiff, Publication } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { ClientProcess, withCable } from "../support/faults-network.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("a client behind a broken network", "ip", "network namespaces");
const SLACK_MS = 1_500;
const PING = { interval: 500, timeout: 500 };
const GRACE_MS = 1_000;
/** A dead client is detected within this time. */
const DEAD_MS = PING.interval + PING.timeout;
const SHORT = {
  PING_INTERVAL_MS: String(PING.interval),
  PING_TIMEOUT_MS: String(PING.timeout),
  PRESENCE_GRACE_MS: String(GRACE_MS),
};

interface Story {
  hub: TestHub;
  viewer: RawClient;
  machine: ClientProcess;
}

/** A present workstation, started with `inside` before its command, and a viewer of its project. */
async function runStory(hub: TestHub, inside: readonly string[], body: (story: Story) => Promise<void>): Promise<void> {
  const viewer = await hub.connect(hub.serviceToken);
  await viewer.request("subscribe", { channel: hub.projectChannel, presence: true });
  const { token, channel } = hub.workstation;
  const machine = new ClientProcess(inside, hub.url, token, channel);
  try {
    await machine.joined();
    await viewer.push("presence");
    await hub.writeBackSettled();
    await body({ hub, viewer, machine });
  } finally {
    await machine.end();
  }
}

/** Development mode allows only loopback, so the hub on a cable has an issuer. */
const onCable = (address: string, env: Record<string, string>) => ({
  env: { HOST: address, DEVELOPMENT: "off", MONSTER_AUTH_ISSUER: "https://issuer.invalid", ...env },
});

async function goesSilently({ hub, viewer }: Story, vanish: () => void): Promise<void> {
  const vanishedAt = performance.now();
  vanish();
  await viewer.push("presence", (_channel: string, { updates }: PresenceDiff) => updates[0]?.state === "suspect");
  const suspectAfter = performance.now() - vanishedAt;
  ok(suspectAfter < DEAD_MS + SLACK_MS, `suspect after ${suspectAfter} ms`);
  is((await rowOf(hub.database, hub.workstation.id)).status, "online", "the row of a suspect stays online");
  await viewer.push("presence", (_channel: string, { leaves }: PresenceDiff) => leaves[0]?.reason === "timeout");
  const goneAfter = performance.now() - vanishedAt;
  ok(goneAfter >= GRACE_MS && goneAfter < DEAD_MS + GRACE_MS + SLACK_MS, `gone after ${goneAfter} ms`);
  await until(
    "the row is offline",
    async () => (await rowOf(hub.database, hub.workstation.id)).status === "offline",
    SLACK_MS,
  );
  equal(
    (await transitionsOf(hub.database, hub.workstation.id)).map(({ after }) => after.presence),
    ["online", "suspect", "offline"],
  );
  equal((await viewer.request("presence.list", { channel: hub.projectChannel })).members, []);
  is(hub.node.hub.connectionCount, 1, "only the viewer's connection is left");
}

test("a frozen client is suspect when its ping is overdue, and offline after the grace time", () =>
  withHub({ env: SHORT }, (hub) => runStory(hub, [], (story) => goesSilently(story, () => story.machine.freeze()))));

test("a client frozen for less than the ping timeout stays connected, misses nothing, and other clients see no change", () =>
  withHub({ env: { PING_INTERVAL_MS: "2000", PING_TIMEOUT_MS: "2000", PRESENCE_GRACE_MS: "300" } }, (hub) =>
    runStory(hub, [], (story) =>
      survives(
        story,
        1_000,
        () => story.machine.freeze(),
        () => story.machine.thaw(),
      ),
    ),
  ));

/** Breaks the connection for `ms`, publishes, heals it, and checks that nothing was lost and no presence changed. */
async function survives({ hub, viewer, machine }: Story, ms: number, breakOff: () => void, heal: () => void) {
  const before = viewer.received("presence").length;
  const brokenAt = performance.now();
  breakOff();
  for (let round = 1; round <= 5; round += 1) {
    await viewer.request("publish", { channel: hub.workstation.channel, type: "note", payload: round });
  }
  await until("the break is over", () => performance.now() - brokenAt >= ms, ms + SLACK_MS);
  is(machine.count("publications"), 0, "the connection really was broken");
  heal();
  const publications = () =>
    machine.events.flatMap(({ event, detail }) => (event === "publications" ? (detail as Publication[]) : []));
  await until("all was delivered", () => publications().length === 5);
  equal(
    publications().map(({ payload }) => payload),
    [1, 2, 3, 4, 5],
  );
  const pings = machine.count("ping");
  await until("one more ping is answered", () => machine.count("ping") > pings, 10_000);
  is(machine.count("disconnect"), 0);
  is(viewer.received("presence").length, before, "no presence change");
  await hub.writeBackSettled();
  equal(
    (await transitionsOf(hub.database, hub.workstation.id)).map(({ after }) => after.presence),
    ["online"],
  );
}

test("a client whose cable is pulled is suspect, and offline after the grace time", () =>
  withCable((cable) =>
    withHub(onCable(cable.address, SHORT), (hub) =>
      runStory(hub, cable.inside, (story) => goesSilently(story, cable.pull)),
    ),
  ));

test.needing("nft")("a client that is killed while its packets are blocked is offline after the grace time", () =>
  withCable((cable) =>
    withHub(onCable(cable.address, SHORT), (hub) =>
      runStory(hub, cable.inside, (story) =>
        goesSilently(story, () => {
          cable.drop(...cable.far);
          story.machine.kill();
        }),
      ),
    ),
  ),
);

test(
  "two seconds without a network change nothing",
  () =>
    withCable((cable) => {
      const env = { PING_INTERVAL_MS: "4000", PING_TIMEOUT_MS: "4000", PRESENCE_GRACE_MS: "300" };
      return withHub(onCable(cable.address, env), (hub) =>
        runStory(hub, cable.inside, (story) => survives(story, 2_000, cable.pull, cable.plug)),
      );
    }),
  30_000,
);

test.run();
