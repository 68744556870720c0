import type { ErrorObject, PresenceDiff } from "@monster-realtime/client/protocol";
import { equal, is } from "uvu/assert";
import type { Principal } from "../../hub/auth/principal.ts";
import { HubError } from "../../hub/kernel/errors.ts";
import { meta, type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("rights watch");
/** Rights are checked every 200 ms. */
const ENV = { RIGHTS_CACHE_MS: "500", PRESENCE_GRACE_MS: "300" };

const tooOld = () => Promise.reject(new HubError("unavailable", "Facts are older than an outage may last."));

/** As if every fact were too old to be used without a read. */
function nothingKnown({ node }: TestHub) {
  const { authorizer } = node.hub.services;
  authorizer.isKnownToAllow = () => false;
  return authorizer;
}

async function diffsOf({ node }: TestHub, channel: string): Promise<PresenceDiff[]> {
  const diffs: PresenceDiff[] = [];
  await node.hub.services.presence.watch(channel, (_channel, diff) => void diffs.push(diff));
  return diffs;
}

/** First suspect, and absent after the grace time: it was lost, not revoked. */
async function losesPresence(diffs: PresenceDiff[], key: string): Promise<void> {
  const leaves = () => diffs.flatMap((diff) => diff.leaves);
  await until("it has left", () => leaves().length > 0);
  equal(leaves(), [{ key, reason: "timeout" }]);
  equal(
    diffs.flatMap(({ updates }) => updates.map(({ state }) => state)),
    ["suspect"],
  );
}

test("a connection that can't be checked does not stop the check of others", () =>
  withHub({ env: ENV }, async (hub) => {
    const authorizer = nothingKnown(hub);
    const unchecked = await hub.connect(hub.serviceToken);
    const revoked = await hub.connect(hub.workstation.token);
    await revoked.request("subscribe", { channel: hub.taskChannel });
    const accountRefusal = authorizer.accountRefusal.bind(authorizer);
    let failures = 0;
    authorizer.accountRefusal = async (principal: Principal) => {
      if (principal.kind !== "service") return accountRefusal(principal);
      failures += 1;
      throw new Error("a fault of this check alone");
    };
    await until("it fails", () => failures > 0);
    const { id } = hub.workstation;
    await hub.database.query((sql) => sql`DELETE FROM project_workstations WHERE workstation_id = ${id}`);
    const [, error] = (await revoked.push("unsubscribed")) as [string, ErrorObject];
    is(error.code, "forbidden");
    is(unchecked.disconnectReason, null);
  }));

test("channel facts that were unavailable for too long end the connection, and its presence keeps its grace", () =>
  withHub({ env: ENV }, async (hub) => {
    const authorizer = nothingKnown(hub);
    const client = await hub.connect(hub.userToken);
    await client.request("presence.join", { channel: hub.taskChannel, meta: {} });
    const diffs = await diffsOf(hub, hub.taskChannel);
    authorizer.rights = tooOld;
    const [error] = (await client.push("closing")) as [ErrorObject];
    equal([error.code, error.temporary], ["unavailable", true]);
    await losesPresence(diffs, `user:${hub.userId}`);
  }));

test("principal facts that were unavailable for too long end the connection, and its presence keeps its grace", () =>
  withHub({ env: ENV }, async (hub) => {
    const authorizer = nothingKnown(hub);
    const machine = await hub.connect(hub.workstation.token);
    await machine.request("presence.join", { channel: hub.workstation.channel, meta: meta() });
    const diffs = await diffsOf(hub, hub.workstation.channel);
    authorizer.accountRefusal = tooOld;
    const [error] = (await machine.push("closing")) as [ErrorObject];
    equal([error.code, error.temporary], ["unavailable", true]);
    await losesPresence(diffs, `workstation:${hub.workstation.id}`);
  }));

test.run();
