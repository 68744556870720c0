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

/** Lets the hub's database refuse so many ends of sessions, as something that nobody thought of. */
async function refuseEnds({ database }: TestHub, times: number): Promise<void> {
  await database.query((sql) =>
    sql.unsafe(`
      CREATE SEQUENCE ends;
      CREATE FUNCTION refuse_end() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('ends') <= ${times} THEN RAISE EXCEPTION 'unheard of'; END IF;
          RETURN NEW;
        END $$;
      CREATE TRIGGER refuse_end BEFORE UPDATE ON agent_sessions FOR EACH ROW
        WHEN (NEW.status = 'completed') EXECUTE FUNCTION refuse_end()`),
  );
}

test(
  "a result that the hub stumbles over is told again",
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
  "a result that the hub stumbles over for long is kept, and told when the hub comes back from a repair",
  () =>
    withFolder((folder) =>
      withScene(async ({ make, assign, sessionIs, hub, proxy }) => {
        const resultsFile = join(folder, "results");
        await refuseEnds(hub, 5);
        const workstation = make({ resultsFile });
        const told = gate<string>();
        workstation.on("error", ({ code }) => told.open(code));
        await workstation.start();
        const id = await assign();
        is(await told.opened, "internal");
        is((await pendingIn(resultsFile)).length, 1);
        proxy.cut();
        await sessionIs(id, "completed");
        await until("nothing waits any more", async () => (await pendingIn(resultsFile)).length === 0);
      }),
    ),
  LIMIT_MS,
);

test.run();
