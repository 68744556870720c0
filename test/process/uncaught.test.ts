import { join } from "node:path";
import { equal, is, match, ok } from "uvu/assert";
import { UNCAUGHT_LIMIT_MS } from "../../hub/process/uncaught.ts";
import { askStopped, HubProcess, postgresOf, withFolder } from "../support/faults.ts";
import { joinedWorkstation } from "../support/joined-workstation.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf } from "../support/workstation-rows.ts";

const test = suite("an exception that nothing catches");

const PROGRAM = join(import.meta.dirname, "../support/hub-with-faults.ts");

/** What waits is written at the end alone. */
const ENV = { WRITE_BACK_INTERVAL_MS: "30000", DRAIN_MS: "60000" };

/** Ends a hub, on which a workstation is present, by an exception after `before`, and checks what it leaves. */
function failing(
  before: (hub: HubProcess, client: RawClient) => Promise<void>,
  told: (client: RawClient) => Promise<void>,
) {
  return withFolder(async (dataDir) => {
    const hub = await HubProcess.start(dataDir, ENV, PROGRAM);
    try {
      const { client, id } = await joinedWorkstation(hub);
      await before(hub, client);
      const failedAt = performance.now();
      hub.kill("SIGUSR2");
      is(await hub.exited, 1, hub.output);
      ok(performance.now() - failedAt < UNCAUGHT_LIMIT_MS);
      match(hub.output, "an exception for the test");
      await told(client);
      equal(postgresOf(dataDir), []);
      await askStopped(dataDir, async (database) => is((await rowOf(database, id)).status, "online"));
    } finally {
      await hub.stop();
    }
  });
}

test(
  "ends the hub with exit code 1: what waits is written, clients are told to reconnect, and no database is left",
  () =>
    failing(
      async () => undefined,
      async (client) => is(((await client.push("closing"))[0] as { code: string }).code, "draining"),
    ),
  60_000,
);

test(
  "ends a hub that drains at once, with what waits written and no database left",
  () =>
    failing(
      async (hub, client) => {
        hub.kill("SIGTERM");
        await client.push("goaway");
      },
      async () => undefined,
    ),
  60_000,
);

test(
  "leaves no database when it comes during the start",
  () =>
    withFolder(async (dataDir) => {
      const hub = HubProcess.spawn(dataDir, {}, PROGRAM);
      try {
        await until("its Postgres runs", () => postgresOf(dataDir).length > 0, 30_000);
        hub.kill("SIGUSR2");
        is(await hub.exited, 1, hub.output);
        match(hub.output, "an exception for the test");
        equal(postgresOf(dataDir), []);
      } finally {
        await hub.stop();
      }
    }),
  60_000,
);

test.run();
