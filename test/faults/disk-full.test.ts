import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import { askRunning, HubProcess, withFolder } from "../support/faults.ts";
import { meta } from "../support/hub.ts";
import { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { rowOf } from "../support/workstation-rows.ts";

const test = suite("a full disk", "a small tmpfs");
/** Postgres' files and a few dozen megabytes for its write-ahead log. */
const SIZE = "160m";
const HEALED_MS = 10_000;

function withSmallDisk(body: (folder: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE},mode=755`, "tmpfs", folder]);
    if (status !== 0) throw new Error(stderr.toString());
    try {
      await body(folder);
    } finally {
      spawnSync("umount", [folder]);
    }
  });
}

/** Fills all remaining space; returns a function that frees it. */
function fill(folder: string): () => void {
  const file = join(folder, "filler");
  const block = Buffer.alloc(64 * 1024);
  const descriptor = openSync(file, "w");
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(descriptor);
  }
  return () => rmSync(file, { force: true });
}

test(
  "writes fail as unavailable, connections and publications continue, and the hub recovers when space is available",
  () =>
    withSmallDisk(async (folder) => {
      const hub = await HubProcess.start(folder, { RPCS_PER_SECOND: "500", HEARTBEAT_INTERVAL_MS: "60000" });
      const { url, userToken, organizationId, projectId, workstationId, workstationToken } = await hub.development();
      const channel = `workstation:${workstationId}`;
      const clients = [new RawClient(url, { token: userToken }), new RawClient(url, { token: workstationToken })];
      const [user, machine] = clients as [RawClient, RawClient];
      let giveBack: (() => void) | null = null;
      try {
        for (const client of clients) await client.welcomed();
        await user.request("subscribe", { channel });
        await machine.request("presence.join", { channel, meta: meta() });
        const create = (number: number) =>
          user.ack("rpc", {
            method: "tasks.create",
            params: { projectId, title: `Task ${number}`, description: noise() },
          });
        ok((await create(0)).ok, JSON.stringify(await create(0)));

        giveBack = fill(folder);
        let refused: string | null = null;
        for (let number = 1; refused === null && number < 2_000; number += 1) {
          const ack = await create(number);
          if (!ack.ok) refused = ack.error.code;
        }
        is(refused, "unavailable", "the disk is full");
        await machine.request("presence.update", { channel, meta: meta({ status: "busy" }) });
        const { offset } = await machine.request("publish", { channel, type: "note", payload: 1 });
        await user.push(
          "publications",
          (_channel: string, pushed: { offset: number }[]) => pushed[0]?.offset === offset,
        );
        is((await fetch(`${url}/healthz`)).status, 200);
        for (const client of clients) is(client.disconnectReason, null);

        giveBack();
        const spaceAt = performance.now();
        await until("tasks can be created again", async () => (await create(9_999)).ok, HEALED_MS);
        await until(
          "the row equals presence",
          async () => (await rowsMeta(folder, workstationId)).status === "busy",
          HEALED_MS - (performance.now() - spaceAt),
        );
        equal(
          clients.map(({ disconnectReason }) => disconnectReason),
          [null, null],
        );
        is(hub.ended, false);
        ok(organizationId && existsSync(join(folder, "postgres")));
      } finally {
        giveBack?.();
        for (const client of clients) client.close();
        await hub.stop();
      }
    }),
  60_000,
);

/** Incompressible data. */
function noise(): string {
  return Array.from({ length: 3_000 }, () => Math.random().toString(36).slice(2, 12)).join("");
}

async function rowsMeta(dataDir: string, id: string): Promise<{ status?: string }> {
  const { realtime_presence_meta: found } = await askRunning(dataDir, (database) => rowOf(database, id));
  return found as { status?: string };
}

test.run();
