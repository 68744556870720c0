import { connect } from "node:net";
import pino from "pino";
import { equal, is, match, ok } from "uvu/assert";
import { type TestHub, withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("bad input over HTTP");

interface Answer {
  status: number;
  headers: Headers;
  body: { code?: string; message?: string; details?: { path: string }[] };
}

async function call(hub: TestHub, method: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const headers = { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": "application/json", ...init.headers };
  const response = await fetch(`${hub.url}${path}`, { ...init, method, headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? {} : JSON.parse(text) };
}

const refusal = ({ status, body }: Answer) => [status, body.code, body.details?.[0]?.path];
const publishPath = ({ taskChannel }: TestHub) => `/v1/channels/${taskChannel}/publish`;
const NOTE = { type: "note", payload: 1 };

/** A connection on which the test writes raw HTTP. */
function rawCall(hub: TestHub, headers: string[], body: string) {
  const { port } = new URL(hub.url);
  const socket = connect(Number(port), "127.0.0.1");
  let received = "";
  let closed = false;
  socket.on("data", (chunk) => {
    received += chunk.toString("utf8");
  });
  socket.on("close", () => {
    closed = true;
  });
  socket.on("error", () => undefined);
  const head = [`POST ${publishPath(hub)} HTTP/1.1`, "Host: hub", `Authorization: Bearer ${hub.serviceToken}`];
  socket.write(`${[...head, "Content-Type: application/json", ...headers].join("\r\n")}\r\n\r\n${body}`);
  return { received: () => received, closed: () => closed, cut: () => socket.destroy() };
}

test("unknown and repeated fields and query parameters are rejected", () =>
  withHub({}, async (hub) => {
    const publish = (body: object, query = "") =>
      call(hub, "POST", publishPath(hub) + query, { body: JSON.stringify(body) });
    const get = (what: string) => call(hub, "GET", `/v1/channels/${hub.taskChannel}/${what}`);
    const refused = async (answer: Promise<Answer>, path: string) =>
      equal(refusal(await answer), [400, "bad_request", path]);
    await refused(publish({ ...NOTE, channel: hub.projectChannel }), "channel");
    await refused(publish({ ...NOTE, extra: 1 }), "extra");
    await refused(publish(NOTE, "?dry=1"), "dry");
    await refused(call(hub, "POST", "/v1/rpc/tasks.get?x=1", { body: JSON.stringify({ id: hub.taskId }) }), "x");
    await refused(get("presence?limit=1"), "limit");
    await refused(get("history?limit=1&limit=2"), "limit");
    await refused(get(`history?channel=${hub.taskChannel}`), "channel");
    await refused(get("history?cursor=1"), "cursor");
    is((await get("history?limit=1&reverse=true")).status, 200);
    is((await publish(NOTE)).status, 200);
  }));

test("a token in the query is rejected by its name in any spelling, and by its form under any name", () =>
  withHub({}, async (hub) => {
    for (const name of ["token", "Token", "access_token", "ACCESS-TOKEN", "auth", "jwt", "%74oken", "apiKey"]) {
      const answer = await call(hub, "GET", `/v1/channels/${hub.taskChannel}/history?${name}=x`);
      equal(refusal(answer), [400, "bad_request", "query"], name);
      match(answer.body.message ?? "", "Authorization: Bearer");
    }
    const named = await call(hub, "GET", `/v1/channels/${hub.taskChannel}/history?epoch=${hub.workstation.token}`);
    equal(refusal(named), [400, "bad_request", "query"]);
    is(named.body.message?.includes(hub.workstation.token), false);
  }));

test("a NUL in a query parameter, or in its name, is rejected", () =>
  withHub({}, async (hub) => {
    const get = (query: string) => call(hub, "GET", `/v1/channels/${hub.taskChannel}/history?${query}`);
    equal(refusal(await get("epoch=%00")), [400, "bad_request", "epoch"]);
    equal((await get("%00=1")).status, 400);
  }));

test("bodies in another encoding than JSON in UTF-8 are rejected", () =>
  withHub({}, async (hub) => {
    const publish = (headers: Record<string, string>, body: BodyInit = JSON.stringify(NOTE)) =>
      call(hub, "POST", publishPath(hub), { headers, body });
    const typed = (type: string) => publish({ "Content-Type": type });
    for (const type of ["application/json; charset=iso-8859-1", "application/json-patch+json", "text/plain"]) {
      equal(refusal(await typed(type)), [400, "bad_request", "content-type"], type);
    }
    equal(refusal(await publish({ "Content-Encoding": "gzip" })), [400, "bad_request", "content-encoding"]);
    is((await publish({ "Content-Encoding": "identity" })).status, 200);
    for (const type of ["application/json", "application/json;charset=UTF-8", 'Application/JSON; charset="utf-8"']) {
      is((await typed(type)).status, 200, type);
    }
    const invalid = Buffer.concat([
      Buffer.from('{"type":"note","payload":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}'),
    ]);
    equal(refusal(await publish({}, invalid)), [400, "bad_request", "body"]);
    is((await publish({}, JSON.stringify({ type: "note", payload: "grün" }))).status, 200);
  }));

test("an unsupported method is answered with the supported ones", () =>
  withHub({}, async (hub) => {
    const refused = async (method: string, path: string, allowed: string) => {
      const answer = await call(hub, method, path);
      equal([...refusal(answer), answer.headers.get("allow")], [405, "bad_request", "method", allowed], path);
    };
    await refused("GET", publishPath(hub), "POST");
    await refused("DELETE", `/v1/channels/${hub.taskChannel}/history`, "GET");
    await refused("PUT", "/v1/rpc/tasks.get", "POST");
    for (const path of ["/healthz", "/readyz", "/metrics", "/"]) await refused("POST", path, "GET, HEAD");
    for (const path of ["/healthz", "/readyz", "/metrics", "/"]) {
      const head = await call(hub, "HEAD", path);
      equal([head.status, head.body], [200, {}], path);
    }
    is((await call(hub, "POST", "/nowhere")).status, 404);
  }));

test("a body with a Content-Length over the limit is rejected before it is sent, and a stalled one in time", () =>
  withHub({ env: { REQUEST_TIMEOUT_MS: "1000", DATABASE_TIMEOUT_MS: "1000" } }, async (hub) => {
    const large = rawCall(hub, ["Content-Length: 100000000"], "");
    await until("it is rejected", () => large.closed(), 900);
    match(large.received(), "HTTP/1.1 413 ");
    const stalled = rawCall(hub, ["Content-Length: 100"], '{"type":');
    await until("it is ended", () => stalled.closed(), 5_000);
    match(stalled.received(), "HTTP/1.1 503 ");
    match(stalled.received(), '"timeout"');
  }));

test("a caller that hangs up midway is no failure of the hub", async () => {
  const lines: { level: number; msg: string }[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  await withHub({ log }, async (hub) => {
    const midway = rawCall(hub, ["Content-Length: 100"], '{"type":');
    const { services } = hub.node.hub;
    let reached = false;
    const accountRefusal = services.authorizer.accountRefusal.bind(services.authorizer);
    services.authorizer.accountRefusal = (principal) => {
      reached = true;
      return accountRefusal(principal);
    };
    await until("the hub has begun with it", () => reached);
    midway.cut();
    await until("the hub has detected it", () => lines.some(({ msg }) => msg.includes("hung up")));
    equal(
      lines.filter(({ level }) => level >= 40).map(({ msg }) => msg),
      [],
    );
    ok((await fetch(`${hub.url}/healthz`)).ok);
  });
});

test.run();
