import type { FeedLag, Page, RefusedChange } from "@monster-realtime/client/protocol";
import { equal, is, match, ok } from "uvu/assert";
import { askForLags } from "../../hub/inspection/feed-queries.ts";
import { boardOf, publicationsOn } from "../feed/support.ts";
import { withDatabase } from "../support/database.ts";
import { withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { insertUnpublishableTask, makePublishable } from "../support/refused-change.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("operators and the change feed");

const call = <Answer>(client: RawClient, method: string, params: object = {}) =>
  client.request("rpc", { method, params }) as Promise<Answer>;
const refusalOf = (work: Promise<unknown>) =>
  work.then(
    () => "",
    (error: { code: string }) => error.code,
  );

test("a refused change is listed, republished as the current row, and kept in the audit trail", () =>
  withHub({}, async (hub) => {
    const [admin, service] = await hub.connectAll(hub.userToken, hub.serviceToken);
    await admin.request("subscribe", { channel: boardOf(hub) });
    const { task, id } = await insertUnpublishableTask(hub);
    const { items } = await call<Page<RefusedChange>>(service, "feed.refused");
    is(items.length, 1);
    const [refused] = items;
    equal(
      [refused?.id, refused?.organizationId, refused?.entity, refused?.rowId, refused?.operation, refused?.code],
      [id, hub.organizationId, "tasks", task, "created", "internal"],
    );
    match(refused?.reason ?? "", "createdAt is not a valid timestamp: infinity");
    is((await call<Page<RefusedChange>>(admin, "feed.refused")).items[0]?.reason, null);

    const { id: again } = await call<{ id: number }>(service, "feed.republish", { id });
    await until("it is refused with its new id", async () => {
      const { items: left } = await call<Page<RefusedChange>>(service, "feed.refused");
      return left.length === 1 && left[0]?.id === again && left[0].operation === "created";
    });
    await makePublishable(hub, task);
    const { id: last } = await call<{ id: number }>(admin, "feed.republish", { id: again });
    const created = () => publicationsOn(admin, boardOf(hub)).filter(({ type }) => type === "task:created");
    await until("it is published", () => created().length === 1);
    is(created()[0]?.payload.changed.title, "now");
    match(created()[0]?.id ?? "", new RegExp(`^audit:${last}:`));
    equal(created()[0]?.from, { userId: hub.userId });
    equal((await call<Page<RefusedChange>>(admin, "feed.refused")).items, []);
    const { items: events } = await call<Page<{ id: number; principal: string }>>(admin, "audit.list", {
      organizationId: hub.organizationId,
      filter: { operation: "republished" },
    });
    ok(events.some((event) => event.id === last && event.principal === `user:${hub.userId}`));
    is(await refusalOf(call(admin, "feed.republish", { id })), "not_found");
  }));

test("republishing a deleted row publishes its deletion", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    await client.request("subscribe", { channel: boardOf(hub) });
    const { task, id } = await insertUnpublishableTask(hub);
    await hub.database.query((sql) => sql`DELETE FROM tasks WHERE id = ${task}`);
    await call(client, "feed.republish", { id });
    const deletions = () =>
      publicationsOn(client, boardOf(hub)).filter(
        ({ type, payload }) => type === "task:deleted" && payload.id === task,
      );
    await until("both publications arrive", () => deletions().length === 2);
  }));

test("no caller sees or republishes changes of other tenants", () =>
  withHub({}, async (hub) => {
    const other = await hub.otherTenant();
    const { id } = await insertUnpublishableTask({ ...hub, projectId: other.projectId });
    const [admin, bound] = await hub.connectAll(hub.userToken, hub.boundToken);
    for (const client of [admin, bound]) {
      equal((await call<Page<RefusedChange>>(client, "feed.refused")).items, []);
      equal(
        (await call<Page<RefusedChange>>(client, "feed.refused", { organizationId: other.organizationId })).items,
        [],
      );
      is(await refusalOf(call(client, "feed.republish", { id })), "not_found");
      equal((await call<{ items: FeedLag[] }>(client, "feed.lag", { organizationId: other.organizationId })).items, []);
    }
  }));

test("organizations with pending changes are listed, longest wait first, without other tenants' organizations", () =>
  withDatabase(async (database) => {
    const ids = [1, 2, 3].map((number) => `org_${String(number).padStart(26, "0")}`);
    for (const [place, id] of ids.entries()) {
      await database.query(
        (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${id}, 'o', ${`o${place}`})`,
      );
      await database.query(
        (sql) => sql`UPDATE audit_events SET at = now() - ${place + 1} * interval '1 minute' WHERE row_id = ${id}`,
      );
    }
    const lags = async (among: readonly string[] | null, limit = 10) => {
      const rows = await database.query((sql) => askForLags(sql, among, limit));
      return rows.map(({ organizationId, lagMs }) => [organizationId, Math.floor(lagMs / 60_000)]);
    };
    equal(await lags(null), [
      [ids[2], 3],
      [ids[1], 2],
      [ids[0], 1],
    ]);
    equal(await lags(null, 1), [[ids[2], 3]]);
    equal(await lags([ids[0] ?? ""]), [[ids[0], 1]]);
    equal(await lags([]), []);
  }));

test.run();
