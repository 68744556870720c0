import { equal, is, match, ok } from "uvu/assert";
import { agentsOf, downtimeMs, firstMeta, nextChangeMs, nextMeta } from "../../client-sdk/cli/simulate/behaviour.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, type Cli, jsonLines, withCli } from "./support/cli.ts";

const test = suite("simulate of the command line");

const withBoth = (body: (hub: TestHub, cli: Cli) => Promise<void>) =>
  withHub({}, (hub) => withCli(at(hub.url, hub.userToken), (cli) => body(hub, cli)));

const simulated = (hub: TestHub) =>
  hub.database.query(
    (sql) => sql<{ status: string; meta: { status?: string } | null }[]>`
      SELECT w.status, w.realtime_presence_meta AS meta FROM workstations w
      JOIN project_workstations p ON p.workstation_id = w.id
      WHERE p.project_id = ${hub.projectId} AND w.deleted_at IS NULL AND w.name LIKE 'simulated-%'`,
  );

test("a machine's next meta always differs, and lists its own agents", () => {
  const chances = [0.1, 0.9, 0.5, 0.3, 0.7];
  let turn = 0;
  const chance = () => chances[turn++ % chances.length] ?? 0;
  let meta = firstMeta(1, "proj_x", chance);
  equal([meta.availableAgents, meta.activeProjects], [agentsOf(1).map(({ name }) => name), ["proj_x"]]);
  for (let change = 0; change < 50; change++) {
    const next = nextMeta(meta, chance);
    ok(JSON.stringify(next) !== JSON.stringify(meta));
    is(next.status === "busy", next.currentTaskCount > 0);
    meta = next;
  }
  equal([nextChangeMs(1_000, () => 0), nextChangeMs(1_000, () => 0.5)], [500, 1_000]);
  ok(downtimeMs(() => 0.999) < 20_000 && downtimeMs(() => 0) >= 1_000);
});

test("registers workstations, connects them, lets presence change, and removes them at Ctrl-C", () =>
  withBoth(async (hub, cli) => {
    const running = cli.start(["simulate", "8", "--rate", "100", "--change", "200ms"]);
    await running.reports(/8 workstations are online/);
    await until("their rows are online", async () => {
      const rows = await simulated(hub);
      return rows.length === 8 && rows.every(({ status }) => status === "online");
    });
    await until("some are busy", async () => (await simulated(hub)).some(({ meta }) => meta?.status === "busy"));
    const { code, stderr } = await running.interrupt();
    is(code, 130, stderr);
    is((await simulated(hub)).length, 0);
  }));

test("crashes some, ends after its time, and keeps them registered with --keep", () =>
  withBoth(async (hub, cli) => {
    const args = ["simulate", "3", "--rate", "100", "--flap", "100ms", "--for", "2s", "--keep", "--json"];
    const { code, stdout, stderr } = await cli.run([...args, "--project", hub.projectId]);
    is(code, 0, stderr);
    const [first] = jsonLines<{ total: number; online: number }>(stdout);
    equal([first?.total, first?.online], [3, 3]);
    const [crashed] = await hub.database.query(
      (sql) =>
        sql`SELECT 1 FROM audit_events WHERE operation = 'presence' AND after ->> 'presence' = 'suspect' LIMIT 1`,
    );
    ok(crashed);
    is((await simulated(hub)).length, 3);
  }));

test("removes its workstations after an interruption, and asks before it registers many", () =>
  withBoth(async (hub, cli) => {
    const interrupted = cli.start(["simulate", "200", "--rate", "1"]);
    await until("some are registered", async () => (await simulated(hub)).length > 3);
    is((await interrupted.interrupt()).code, 130);
    is((await simulated(hub)).length, 0);
    const many = await cli.run(["simulate", "501"]);
    equal([many.code, many.stdout], [2, ""]);
    match(many.stderr, /Register 501 workstations at .*\? .*--yes/);
    match((await cli.run(["simulate", "some"])).stderr, '"some" is not a number of workstations');
    const machine = await cli.run(["simulate", "2"], { env: { MONSTER_REALTIME_TOKEN: hub.workstation.token } });
    is(machine.code, 5, machine.stderr);
  }));

test("takes tasks with --work, and refuses them when it stops", () =>
  withBoth(async (hub, cli) => {
    const running = cli.start(["simulate", "1", "--work"]);
    await running.reports(/1 workstation is online/);
    const owner = await hub.connect(hub.userToken);
    await owner.request("rpc", { method: "tasks.setReady", params: { id: hub.taskId, ready: true } });
    const assign = { method: "tasks.assign", params: { id: hub.taskId } };
    await until("it is assigned", () => owner.request("rpc", assign), 10_000);
    const status = async () => {
      const [task] = await hub.database.query(
        (sql) => sql<{ status: string }[]>`SELECT agent_session_status AS status FROM tasks WHERE id = ${hub.taskId}`,
      );
      return task?.status;
    };
    await until("it is active", async () => (await status()) === "ACTIVE", 10_000);
    is((await running.interrupt()).code, 130);
    is(await status(), "INACTIVE");
  }));

test.run();
