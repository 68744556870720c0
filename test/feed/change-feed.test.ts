import type { EntityChange, Publication } from "@monster-realtime/client/protocol";
import { equal, is } from "uvu/assert";
import { withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("change feed");

/** What a client heard on a channel of the feed. */
function changes(client: RawClient, channel: string): Publication<string, EntityChange>[] {
  return client.received("publications", channel).flatMap(([, list]) => list as Publication<string, EntityChange>[]);
}

test("a change by a foreign writer reaches the task's channel and its board, once each", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.userToken);
    const board = `project:${hub.projectId}:tasks`;
    await client.request("subscribe", { channel: hub.taskChannel });
    await client.request("subscribe", { channel: board });
    await hub.database.query((sql) => sql`UPDATE tasks SET title = 'Other', priority = 5 WHERE id = ${hub.taskId}`);
    for (const channel of [hub.taskChannel, board]) {
      const updated = () => changes(client, channel).filter(({ type }) => type === "task:updated");
      await until("the change is heard", () => updated().length > 0);
      is(updated().length, 1);
      const { payload, from } = updated()[0] as Publication<string, EntityChange>;
      equal(
        { ...payload, changed: { ...payload.changed, updatedAt: null } },
        {
          id: hub.taskId,
          organizationId: hub.organizationId,
          projectId: hub.projectId,
          changed: { title: "Other", priority: 5, updatedAt: null },
          omitted: [],
        },
      );
      is(from, null);
    }
  }));

test.run();
