import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { equal, ok } from "uvu/assert";
import { type Attack, attackWith, missed } from "../../scripts/bench/attacks/attack.ts";
import { insertVictims, startAttacked } from "../../scripts/bench/attacks/scene.ts";
import { Victims } from "../../scripts/bench/attacks/victims.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";

const VICTIMS = 5;
const STRIKES = 3;
const FRAME_MS = 50;
const [OF_VICTIMS, OF_ATTACKERS] = ["127.0.0.2", "127.0.0.3"];

/** Runs the attack with its small, fixed load beside victims of another tenant, and applies the rule for attacks. */
export function survives(attack: Attack): Promise<void> {
  return withDatabase(async (database, info) => {
    const victims = await insertVictims(database.unlimited, VICTIMS);
    const folder = mkdtempSync(join(tmpdir(), "attacks-"));
    const environment = { DATA_DIR: folder, DATABASE_URL: urlOf(info) };
    const clients = new Victims();
    const { hub, attacker, stop } = await startAttacked(environment, victims, OF_ATTACKERS).catch((error: unknown) => {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    });
    try {
      const besideAttackers = attack.limitsAddress ? null : OF_ATTACKERS;
      await clients.connect({ ...victims, url: hub.url, localAddress: OF_VICTIMS, besideAttackers });
      await hub.resetStall();
      const attacking = attackWith(attack, attacker, { lanes: attack.lanes.test, strikes: STRIKES });
      const { failures, disconnects, latencies } = await clients.work(attacking);
      const struck = await attacking;
      equal({ ended: hub.ended, disconnects, failures }, { ended: false, disconnects: 0, failures: [] });
      equal(missed(attack, struck), null);
      ok(latencies.length > 0, "no victim's request was answered");
      const frameMs = await hub.frameMs();
      ok(frameMs <= FRAME_MS, `one frame kept the event loop for ${frameMs.toFixed(0)} ms`);
    } finally {
      clients.close();
      await stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

const urlOf = ({ socketDir, user, database }: DatabaseInfo): string =>
  `postgres://${user}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
