import * as assert from "uvu/assert";
import { HubError } from "../../hub/kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../hub/rpc/cursor.ts";
import { withWorld } from "../support/rpc-world.ts";
import { suite } from "../support/suite.ts";

const test = suite("rpc cursors");

test("a cursor returns its keys for the list it was created for", () => {
  assert.equal(decodeCursor(["tasks", null], encodeCursor(["tasks", null], ["a", 1]), ["plain", "decimal"]), ["a", 1]);
});

test("a cursor with a recomputed checksum is rejected if its keys are invalid for the list", () =>
  withWorld(async ({ ours: { member }, refusal }) => {
    const binding = ["tasks", null, null, []];
    const forgeries: unknown[] = [
      null,
      {},
      "text",
      [],
      ["proj"],
      [{}, [], 1, "x"],
      ["three", 1, "2026-01-01T00:00:00.000Z", "x"],
      [3, "one", "2026-01-01T00:00:00.000Z", "x"],
      [3, 1, "x", "x"],
      [3, 1, "2026-02-31", "x"],
      [3, 1, 1e300, "x"],
      [1, 2, 3, 4, 5],
    ];
    for (const keys of forgeries) {
      const error = await refusal(member, "tasks.list", { cursor: encodeCursor(binding, keys as unknown[]) });
      assert.is(error.code, "bad_request", JSON.stringify(keys));
    }
  }));

test("a forged position in the audit trail is rejected too", () =>
  withWorld(async ({ ours: { member }, refusal }) => {
    for (const key of ["x", "", null]) {
      const error = await refusal(member, "audit.list", { cursor: encodeCursor(["audit", [], []], [key]) });
      assert.equal([error.code, (error.details as { path: string }[])[0]?.path], ["bad_request", "cursor"]);
    }
  }));

test("a cursor that does not contain JSON is a bad request", () => {
  for (const cursor of ["", "x", encodeCursor([], []).slice(0, -1), `${encodeCursor([], [])}=`, "😀".repeat(20)]) {
    try {
      decodeCursor([], cursor, ["plain"]);
      assert.unreachable(`${cursor} was taken`);
    } catch (error) {
      assert.ok(error instanceof HubError, String(error));
      assert.is((error as HubError).code, "bad_request");
    }
  }
});

test.run();
