import { equal, is, match, ok } from "uvu/assert";
import { askStopped, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { joinedWorkstation } from "../support/joined-workstation.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("a hub that receives SIGTERM");
const DRAIN_MS = 8_000;
/** So slow that only the drain writes the final state. */
const ENV = { DRAIN_MS: String(DRAIN_MS), WRITE_BACK_INTERVAL_MS: "30000", PRESENCE_GRACE_MS: "300" };

test(
  "SIGTERM sends clients away and serves them until they leave, keeps their presence, writes pending state, and exits 0",
  () =>
    withFolder(async (dataDir) => {
      const hub = await HubProcess.start(dataDir, ENV);
      try {
        const { client, url, id, channel } = await joinedWorkstation(hub);
        await client.request("subscribe", { channel });
        const signalledAt = performance.now();
        hub.kill("SIGTERM");
        const [goaway] = await client.push("goaway");
        ok((goaway as { reconnectInMs: number }).reconnectInMs >= 0);
        const readiness = await fetch(`${url}/readyz`);
        is(readiness.status, 503);
        match(await readiness.text(), "draining");
        is((await fetch(`${url}/healthz`)).status, 200);

        await client.request("publish", { channel, type: "note", payload: "still served" });
        await client.push("publications");
        await client.request("presence.update", { channel, meta: meta({ status: "busy" }) });
        hub.kill("SIGTERM");
        hub.kill("SIGINT");
        is(await hub.exited, 0, hub.output);
        ok(performance.now() - signalledAt < DRAIN_MS, "within DRAIN_MS");
        is(((await client.push("closing"))[0] as { code: string }).code, "draining");
        equal(postgresOf(dataDir), [], "no database is left running");

        await askStopped(dataDir, async (database) => {
          const row = await rowOf(database, id);
          equal([row.status, row.realtime_presence_meta], ["online", meta({ status: "busy" })]);
          const trail = (await transitionsOf(database, id)).map(({ after }) => after.presence);
          ok(!trail.includes("offline"), trail.join());
        });
      } finally {
        await hub.stop();
      }
    }),
  40_000,
);

test(
  "a client that stops reading delays the hub no longer than the drain time",
  () =>
    withFolder(async (dataDir) => {
      const hub = await HubProcess.start(dataDir, { ...ENV, DRAIN_MS: "1000" });
      try {
        const { client } = await joinedWorkstation(hub);
        client.pauseReading();
        const signalledAt = performance.now();
        hub.kill("SIGTERM");
        is(await hub.exited, 0, hub.output);
        ok(performance.now() - signalledAt < 5_000);
        equal(postgresOf(dataDir), []);
        client.resumeReading();
        await until("the client is disconnected", () => client.disconnectReason !== null);
      } finally {
        await hub.stop();
      }
    }),
  40_000,
);

test.run();
