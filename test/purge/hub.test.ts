import { equal, is } from "uvu/assert";
import { boardOf, publicationsOn } from "../feed/support.ts";
import { withHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { fillProject, marksOf } from "./support.ts";

const test = suite("deletions on a hub");
const LIMIT_MS = 60_000;
/** Lost and restored rights take effect within this time. */
const RIGHTS_MS = 10_000;
const AT_ONCE = { DELETED_ORGANIZATION_DAYS: "0" };

const rpc = (client: RawClient, method: string, params: object) =>
  client.request("rpc", { method, params }) as Promise<{ id: string; items: { id: string }[] }>;
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => null,
    (error: { code: string }) => error.code,
  );

test(
  "subscribers of a deleted project get its one publication, their subscriptions end, and its removal publishes nothing",
  () =>
    withHub({ env: AT_ONCE }, async (hub) => {
      await fillProject(hub.database, hub.projectId, 300);
      const other = await hub.otherTenant();
      const [owner, machine, service] = await hub.connectAll(hub.userToken, hub.workstation.token, hub.serviceToken);
      const theirBoard = `project:${other.projectId}:tasks`;
      await service.request("subscribe", { channel: theirBoard });
      for (const channel of [boardOf(hub), hub.taskChannel, hub.projectChannel])
        await owner.request("subscribe", { channel });
      await machine.request("subscribe", { channel: hub.projectChannel });
      await rpc(owner, "projects.delete", { id: hub.projectId });
      await until("every subscription has ended", () => owner.received("unsubscribed").length === 3, RIGHTS_MS);
      await until("the workstation's too", () => machine.received("unsubscribed").length === 1, RIGHTS_MS);
      for (const channel of [boardOf(hub), hub.taskChannel]) {
        is(await codeOf(owner.request("subscribe", { channel })), "forbidden");
        is(await codeOf(owner.request("history", { channel })), "forbidden");
      }
      await until("it is removed", async () => (await marksOf(hub.database)).length === 0, LIMIT_MS);
      await rpc(service, "tasks.update", { id: other.taskId, set: { title: "still here" } });
      await until("the other tenant's change arrives", () => publicationsOn(service, theirBoard).length > 0);
      equal(
        publicationsOn(service, theirBoard).map(({ type }) => type),
        ["task:updated"],
      );
      const types = publicationsOn(owner, boardOf(hub)).map(({ type }) => type);
      equal(
        types.filter((type) => type !== "project:deleted"),
        [],
      );
      is(machine.disconnectReason, null);
    }),
  LIMIT_MS,
);

test(
  "a restored organization has its channels, its members and its workstations again",
  () =>
    withHub({}, async (hub) => {
      const [owner, machine] = await hub.connectAll(hub.userToken, hub.workstation.token);
      await owner.request("subscribe", { channel: hub.taskChannel });
      await rpc(owner, "organizations.delete", { id: hub.organizationId });
      await owner.push("unsubscribed");
      await machine.push("closing");
      is(await codeOf(hub.connect(hub.workstation.token)), "unauthenticated");
      equal(
        (await rpc(owner, "purges.list", { entity: "organizations" })).items.map(({ id }) => id),
        [hub.organizationId],
      );
      is((await rpc(owner, "organizations.restore", { id: hub.organizationId })).id, hub.organizationId);
      await until(
        "the task's channel accepts subscriptions",
        async () => (await codeOf(owner.request("subscribe", { channel: hub.taskChannel }))) === null,
        RIGHTS_MS,
      );
      await until(
        "the workstation connects",
        async () => (await codeOf(hub.connect(hub.workstation.token))) === null,
        RIGHTS_MS,
      );
      is((await rpc(owner, "tasks.get", { id: hub.taskId })).id, hub.taskId);
    }),
  LIMIT_MS,
);

test.run();
