import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";

export interface ForeignHub {
  /** The error code that refuses the handshake. */
  refuse?: string;
  /** The protocol version in its welcome. */
  protocol?: number;
  /** The error code that refuses each request; without it none is answered. */
  answer?: string;
  /** Whether its health check succeeds. */
  healthy?: boolean;
  /** The warnings of its `/readyz`, by part. */
  warnings?: Record<string, string>;
  /** How far its clock is ahead. */
  aheadMs?: number;
}

const refusal = (code: string) => ({
  code,
  message: `${code}.`,
  temporary: code === "token_expired",
  traceId: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
});

/** Runs `body` with the address of a server that behaves like a hub of another version. */
export async function withForeignHub(
  { refuse, protocol = 1, answer, healthy = false, warnings = {}, aheadMs = 0 }: ForeignHub,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const answered = JSON.stringify({ status: "ok", warnings });
  const server = createServer((_, response) => response.writeHead(healthy ? 200 : 404).end(answered));
  const io = new Server(server);
  io.use((_, next) => next(refuse ? Object.assign(new Error(refuse), { data: refusal(refuse) }) : undefined));
  io.on("connection", (socket) => {
    const principal = { kind: "service", id: "test", organizationIds: [] };
    const expiry = { serverTime: Date.now() + aheadMs, expiresInMs: null, limits: {} };
    socket.emit("welcome", { protocol, connectionId: "c", nodeId: "n", principal, ...expiry });
    socket.onAny((...args: unknown[]) => {
      const acknowledge = args.at(-1);
      if (answer && typeof acknowledge === "function") acknowledge({ ok: false, error: refusal(answer) });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    await io.close();
  }
}
