import { readFileSync } from "node:fs";
import { ERROR_CODES } from "@monster-realtime/client/protocol";
import { equal, is, ok } from "uvu/assert";
import { HubError, toErrorObject } from "../../hub/kernel/errors.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";

const test = suite("shared vectors, by the hub");

function casesOf<Case>(file: string): Case[] {
  const text = readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8");
  return (JSON.parse(text) as { cases: Case[] }).cases;
}

test("a running hub accepts the channel names of the vectors", () =>
  withHub({}, async (hub) => {
    const client = await hub.connect(hub.serviceToken);
    for (const { name, parsed } of casesOf<{ name: unknown; parsed: object | null }>("channels.json")) {
      const { code } = await client.refused("subscribe", { channel: name });
      // A service may read every existing channel; these rows do not exist.
      const isText = typeof name === "string" && !name.includes("\0") && name.isWellFormed();
      const expected = parsed ? "forbidden" : isText ? "unknown_channel" : "bad_request";
      is(code, expected, JSON.stringify(name));
    }
  }));

test("a running hub accepts and reserves the types of the vectors", () =>
  withHub({}, async (hub) => {
    const [user, service] = await hub.connectAll(hub.userToken, hub.serviceToken);
    for (const { type, valid, reserved } of casesOf<{ type: unknown; valid: boolean; reserved: boolean }>(
      "types.json",
    )) {
      const request = { channel: hub.taskChannel, type, payload: null };
      const [byUser, byService] = [await user.ack("publish", request), await service.ack("publish", request)];
      const codes = [byUser, byService].map((ack) => (ack.ok ? "ok" : ack.error.code));
      const refused = valid ? [reserved ? "forbidden" : "ok", "ok"] : ["bad_request", "bad_request"];
      equal(codes, refused, JSON.stringify(type));
    }
  }));

test("a running hub accepts the publication ids of the vectors, and rejects its own", () =>
  withHub({}, async (hub) => {
    const clients = await hub.connectAll(hub.userToken, hub.serviceToken, hub.workstation.token);
    for (const { id, valid, reserved } of casesOf<{ id: unknown; valid: boolean; reserved: boolean }>("ids.json")) {
      const request = { channel: hub.taskChannel, type: "note", payload: null, id };
      const expected = valid && !reserved ? "ok" : "bad_request";
      for (const client of clients) {
        const ack = await client.ack("publish", request);
        is(ack.ok ? "ok" : ack.error.code, expected, JSON.stringify(id));
        if (!ack.ok) ok((ack.error.details as { path: string }[])[0]?.path.endsWith("id"), JSON.stringify(ack.error));
      }
      const overHttp = await fetch(`${hub.url}/v1/channels/${hub.taskChannel}/publish`, {
        method: "POST",
        body: JSON.stringify({ type: "note", payload: null, id }),
        headers: { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": "application/json" },
      });
      is(overHttp.status, expected === "ok" ? 200 : 400, JSON.stringify(id));
    }
  }));

test("every code of the protocol becomes an error object with its `temporary`", () => {
  for (const [code, { temporary }] of Object.entries(ERROR_CODES)) {
    const data = toErrorObject(new HubError(code as keyof typeof ERROR_CODES, "why", { retryAfterMs: 5 }), "trace");
    equal(data, { code, message: "why", temporary, retryAfterMs: 5, traceId: "trace" });
  }
});

test("any other error becomes internal, and reveals nothing of its cause", () => {
  const data = toErrorObject(new Error("password=secret"));
  is(data.code, "internal");
  ok(!JSON.stringify(data).includes("secret"));
});

test.run();
