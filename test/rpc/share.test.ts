import type { Role } from "@monster-realtime/client/protocol";
import { equal } from "uvu/assert";
import type { Caller } from "../../hub/rpc/caller.ts";
import { shareOf } from "../../hub/rpc/router/share.ts";
import { suite } from "../support/suite.ts";

const test = suite("shares of database work");

const user = (...organizations: string[]): Caller => ({
  kind: "user",
  principal: { kind: "user", id: "user_1", clientIds: null },
  roles: new Map(organizations.map((id): [string, Role] => [id, "member"])),
});
const service = (organizations: "*" | string[]): Caller => ({
  kind: "service",
  principal: { kind: "service", id: "backend", organizations },
});

test("a call is charged to the organization that it names, if the caller belongs to it", () => {
  for (const caller of [user("org_a", "org_b"), service("*"), service(["org_a", "org_b"])]) {
    equal(shareOf(caller, { organizationId: "org_b" }).organization, "org_b");
  }
  for (const caller of [user("org_a"), service(["org_a"])]) {
    equal(shareOf(caller, { organizationId: "org_b" }).organization, "org_a");
  }
});

test("a call without an organization is charged to the caller's first one by id, in any order of the ids", () => {
  for (const params of [undefined, null, {}, { organizationId: 7 }]) {
    for (const organizations of [
      ["org_a", "org_b", "org_c"],
      ["org_c", "org_b", "org_a"],
    ]) {
      equal(shareOf(user(...organizations), params), { organization: "org_a", principal: "user:user_1" });
      equal(shareOf(service(organizations), params), { organization: "org_a", principal: "service:backend" });
    }
  }
});

test("a caller without a list of organizations is charged by itself", () => {
  equal(shareOf(user(), {}), { organization: "user:user_1", principal: "user:user_1" });
  equal(shareOf(service("*"), {}), { organization: "service:backend", principal: "service:backend" });
});

test.run();
