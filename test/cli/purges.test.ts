import type { Purge } from "@monster-realtime/client/protocol";
import { equal, match } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, jsonLines, withCli } from "./support/cli.ts";

const test = suite("purges of the command line");

test("lists deleted rows, who deleted them and until when they can be restored", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.userToken), async (cli) => {
      match((await cli.run(["purges"])).stderr, "No deleted rows are waiting for removal.");
      const owner = await hub.connect(hub.userToken);
      await owner.request("rpc", { method: "projects.delete", params: { id: hub.projectId } });
      await until("a hub has processed it", async () => {
        const [mark] = await hub.database.query((sql) => sql`SELECT due_at FROM purges`);
        return mark?.due_at != null;
      });
      const [purge] = jsonLines<Purge>((await cli.run(["purges", "--entity", "projects", "--json"])).stdout);
      equal(
        [purge?.entity, purge?.id, purge?.state, purge?.deletedBy, purge?.removed],
        ["projects", hub.projectId, "restorable", `user:${hub.userId}`, 0],
      );
      match(purge?.restorableUntil ?? "", /^\d{4}-/);
      match((await cli.run(["purges"])).stdout, hub.projectId);
    }),
  ));

test("the doctor reports failed removals", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.serviceToken), async (cli) => {
      const owner = await hub.connect(hub.userToken);
      await owner.request("rpc", { method: "projects.delete", params: { id: hub.projectId } });
      await hub.database.query((sql) => sql`UPDATE purges SET last_error = 'a lock', failed_at = now()`);
      const checks = jsonLines<{ check: string; status: string; measured: string }>(
        (await cli.run(["doctor", "--json"])).stdout,
      );
      const found = checks.find(({ check }) => check === "removals");
      equal([found?.status, found?.measured], ["warn", `not removed: projects ${hub.projectId}`]);
    }),
  ));

test("workstations are refused the list of deleted rows", () =>
  withHub({}, (hub) =>
    withCli(at(hub.url, hub.workstation.token), async (cli) => {
      const { code, stdout } = await cli.run(["purges"]);
      equal([code, stdout], [5, ""]);
    }),
  ));

test.run();
