import { pino } from "pino";
import * as assert from "uvu/assert";
import { Authorizer } from "../../hub/auth/authorizer.ts";
import { createRpcRouter } from "../../hub/rpc/router/router.ts";
import { Database } from "../../hub/store/database.ts";
import { PostgresFacts } from "../../hub/store/facts.ts";
import { loneNode } from "../support/lone-node.ts";
import { refusalOf, withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc on a slow database");
const log = pino({ level: "silent" });

test("a call that waits too long for a row fails with a timeout and changes nothing", () =>
  withWorld(async ({ database, ours, call }) => {
    const impatient = new Database({ ...database.connection, statementTimeoutMs: 500, connectTimeoutMs: 2_000 });
    const authorizer = new Authorizer({ source: new PostgresFacts(impatient, log), cacheMs: 5_000, outageMs: 60_000 });
    const router = createRpcRouter({
      database: impatient,
      authorizer,
      ...loneNode(authorizer, log),
      onTouched: () => undefined,
      onProgress: () => undefined,
      log,
    });
    const id = ours.taskId;
    try {
      const error = await database.transaction("test", async (sql) => {
        await sql`SELECT FROM tasks WHERE id = ${id} FOR UPDATE`;
        const params = { id, set: { title: "late" } };
        return refusalOf(
          router.call({ principal: ours.member, method: "tasks.update", params, idempotencyKey: undefined }),
        );
      });
      assert.is(error.code, "timeout");
      assert.match(error.message, /nothing was changed/i);
      assert.is((await call(ours.member, "tasks.get", { id })).title, "T");
    } finally {
      await impatient.close();
    }
  }));

test.run();
