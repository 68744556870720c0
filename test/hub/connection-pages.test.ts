import { equal, is } from "uvu/assert";
import type { Sighting } from "../../hub/connections/live-connections.ts";
import { firstOf, joined } from "../../hub/connections/page.ts";
import { narrowed, shownTo } from "../../hub/connections/view.ts";
import { suite } from "../support/suite.ts";

const test = suite("pages and views of live connections");

function sighting(id: string, channels = 0): Sighting {
  const connection = {
    id,
    nodeId: "n",
    principal: { kind: "user", id: "u" },
    client: null,
    connectedAt: 0,
    remoteAddress: null,
    transport: "websocket",
    channels: Array.from({ length: channels }, (_, index) => `task:${index}`),
    bytesQueued: null,
  };
  return { connection, organizationId: null };
}
const all = (ids: string): Sighting[] => [...ids].map((id) => sighting(id));
const idsOf = (items: Sighting[]): string => items.map(({ connection }) => connection.id).join("");

test("pages of several nodes are joined without skipping or repeating a connection", () => {
  const nodes = ["ADGKZ", "BCX", "", "EFHIJLMNOPQ", "az"];
  const everything = [...nodes.join("")].sort().join("");
  for (let limit = 1; limit <= everything.length + 1; limit += 1) {
    let listed = "";
    for (let more = true; more; ) {
      const after = listed.at(-1) ?? "";
      const pages = nodes.map((ids) => firstOf(all([...ids].filter((id) => id > after).join("")), limit));
      const page = joined(pages, limit);
      is(page.items.length > 0 || !page.more, true, `limit ${limit}: a page with more behind it holds one`);
      is(page.items.length <= limit, true);
      listed += idsOf(page.items);
      more = page.more;
    }
    is(listed, everything, `limit ${limit}`);
  }
});

test("connections after the end of one node's page leave other nodes' connections for the next page", () => {
  const cut = { items: all("AC"), more: true };
  const page = joined([cut, { items: all("BDE"), more: false }], 10);
  equal([idsOf(page.items), page.more], ["ABC", true]);
});

test("connections with thousands of channels make shorter pages, which hold at least one", () => {
  const heavy = ["A", "B", "C"].map((id) => sighting(id, 5_000));
  equal(idsOf(firstOf(heavy, 10).items), "A");
  equal(firstOf([sighting("A", 20_000)], 10).more, false);
  is(idsOf(joined([firstOf(heavy, 10), firstOf(all("D"), 10)], 10).items), "A");
});

test("an organization sees its workstations, and its members only on its channels", () => {
  const channels = new Map([
    ["task:a", "org_a"],
    ["task:b", "org_b"],
    ["task:gone", null],
  ]);
  const of = (kind: "user" | "workstation" | "service", organizationIds: string[], listens = channels) =>
    shownTo(["org_a"], { kind, organizationIds, channels: listens });
  const own = { channels: ["task:a"], organizationId: "org_a" };
  equal(of("workstation", ["org_a"]), { ...own, whole: true });
  equal(of("workstation", ["org_a"], new Map()), { channels: [], organizationId: "org_a", whole: true });
  equal(of("user", ["org_a", "org_b"]), { ...own, whole: false });
  equal(of("user", ["org_a"]), { ...own, whole: false });
  for (const [kind, organizations, listens] of [
    ["workstation", ["org_b"], channels],
    ["user", ["org_b"], channels],
    ["user", [], channels],
    ["user", ["org_a"], new Map([["task:b", "org_b"]])],
    ["user", ["org_a", "org_b"], new Map()],
    ["service", ["org_a"], channels],
  ] as const)
    is(of(kind, [...organizations], new Map(listens)), null, `${kind} ${organizations}`);
});

test("a view is narrowed to an organization within it, else to none", () => {
  equal(narrowed({ kind: "all" }, undefined), { kind: "all" });
  equal(narrowed({ kind: "all" }, "org_a"), { kind: "organizations", ids: ["org_a"] });
  equal(narrowed({ kind: "organizations", ids: ["org_a", "org_b"] }, "org_b"), {
    kind: "organizations",
    ids: ["org_b"],
  });
  equal(narrowed({ kind: "organizations", ids: ["org_a"] }, "org_b"), { kind: "organizations", ids: [] });
});

test.run();
