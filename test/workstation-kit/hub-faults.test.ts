import { join } from "node:path";
import { equal, is } from "uvu/assert";
import { withFolder } from "../support/faults.ts";
import type { TestHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { pendingIn } from "./support/agents.ts";
import { gate, withScene } from "./support/scene.ts";

const test = suite("a workstation kit whose hub has a fault");
const LIMIT_MS = 30_000;

/** Makes the hub's database refuse this many session ends with an unexpected error. */
async function refuseEnds({ database }: TestHub, times: number): Promise<void> {
  await database.query((sql) =>
    sql.unsafe(`
      CREATE SEQUENCE ends;
      CREATE FUNCTION refuse_end() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('ends') <= ${times} THEN RAISE EXCEPTION 'unexpected'; END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER refuse_end BEFORE UPDATE ON agent_sessions FOR EACH ROW
        WHEN (NEW.status = 'completed') EXECUTE FUNCTION refuse_end()`),
  );
}

test(
  "a result is retried after an internal error of the hub",
  () =>
    withScene(async ({ make, assign, sessionIs, hub }) => {
      const rejected: unknown[] = [];
      await refuseEnds(hub, 2);
      const workstation = make();
      workstation.on("rejected", (_result, error) => rejected.push(error));
      await workstation.start();
      await sessionIs(await assign(), "completed");
      equal(rejected, []);
    }),
  LIMIT_MS,
);

test(
  "a result is kept during repeated internal errors, and delivered after the hub's repair",
  () =>
    withFolder((folder) =>
      withScene(async ({ make, assign, sessionIs, hub, proxy }) => {
        const resultsFile = join(folder, "results");
        await refuseEnds(hub, 5);
        const workstation = make({ resultsFile });
        const reported = gate<string>();
        workstation.on("error", ({ code }) => reported.open(code));
        await workstation.start();
        const id = await assign();
        is(await reported.opened, "internal");
        is((await pendingIn(resultsFile)).length, 1);
        proxy.cut();
        await sessionIs(id, "completed");
        await until("no result is pending", async () => (await pendingIn(resultsFile)).length === 0);
      }),
    ),
  LIMIT_MS,
);

test.run();
