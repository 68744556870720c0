import fc from "fast-check";

/** Data for a TCP connection: requests for transports, uploads of packets, calls of the HTTP API, with faults. */

const METHODS = ["GET", "GET", "POST", "OPTIONS", "PUT", "HEAD", "CONNECT", "get", "G\u0000T", "PRI"];
const TARGETS = [
  "/socket.io/?EIO=4&transport=polling",
  "/socket.io/?EIO=4&transport=websocket",
  "/socket.io/?EIO=4&transport=polling&sid=none",
  "/socket.io/?EIO=4&transport=websocket&sid=none",
  "/socket.io/?EIO=3&transport=polling",
  "/socket.io/?EIO=4&transport=__proto__",
  "/socket.io/?EIO=4&transport=polling&sid=__proto__",
  "/socket.io/?EIO=4&transport=websocket&sid=constructor",
  "/socket.io/?EIO=4&transport=polling&j=0",
  "/socket.io/?EIO=4&EIO=4&transport=polling&transport=websocket&sid=a&sid=b",
  "/socket.io/?%",
  "/socket.io",
  "//socket.io/?EIO=4&transport=websocket",
  "http://[::1/socket.io/?EIO=4&transport=websocket",
  "http://x/socket.io/?EIO=4&transport=polling",
  "/v1/rpc/tasks.get",
  "/v1/rpc/__proto__",
  "/v1/rpc/%ff",
  "/v1/channels/task:@task@/publish",
  "/v1/channels/task:@task@/history?limit=1",
  "/v1/channels/%00/presence",
  "/readyz",
  "/../../etc/passwd",
  "/%2e%2e/%2e%2e/package.json",
  "/?a[__proto__]=1",
  "*",
  "",
];
const HEADERS = [
  "Host: x",
  "Host: x",
  "Connection: Upgrade\r\nUpgrade: websocket",
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Connection: Upgrade\r\nUpgrade: h2c",
  "Upgrade: websocket, h2c",
  "Sec-WebSocket-Version: 12",
  "Sec-WebSocket-Key: x",
  "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
  "Sec-WebSocket-Extensions: ;;;",
  "Sec-WebSocket-Protocol: a, a",
  "Authorization: Bearer @owner@",
  "Authorization: Bearer @service@",
  "Authorization: Basic \u00ff",
  "Content-Type: application/json",
  "Content-Type: application/json; charset=utf-16",
  "Content-Type: application/octet-stream",
  "Content-Encoding: gzip",
  "Content-Length: 5",
  "Content-Length: 999999999999",
  "Content-Length: -1",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nContent-Length: 4",
  "Expect: 100-continue",
  "Origin: null",
  "Origin: http://evil.example",
  "X-Forwarded-For: 1.2.3.4, ::::, x",
  "Idempotency-Key: k1",
  "Cookie: io=a",
  "Range: bytes=0-",
  `X-Long: ${"x".repeat(20_000)}`,
  "no colon",
  " folded: x",
];
const BODIES = [
  "",
  "hello",
  '40{"token":"@owner@"}',
  '{"id":"@task@"}',
  '{"type":"note","payload":{"__proto__":1}}',
  "5\r\nhello\r\n0\r\n\r\n",
  "ffffffffffffffff\r\n",
  "\u00ff\u00fe",
  "2probe\x1e5\x1e6",
];

/** The text of one HTTP request, one byte for each character. */
export const httpText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...METHODS),
    fc.constantFrom(...TARGETS),
    fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "x"),
    fc.array(fc.constantFrom(...HEADERS), { maxLength: 5 }),
    fc.constantFrom(...BODIES),
    fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r"),
  )
  .map(([method, target, version, headers, body, end]) =>
    [[method, target, version].join(" "), ...headers, "", body].join(end),
  );
