import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const POLL_MS = 100;
const PROBE_LIMIT_MS = 1_000;

/** Whether a platform would send clients to the hub at this port. */
export async function isReady(port: number): Promise<boolean> {
  const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal }).catch(() => null);
  await answer?.body?.cancel();
  return answer?.status === 200;
}

/** A platform's balancer: connections go to a hub whose `/readyz` returned 200 at the last probe, and are rejected without one. */
export class ReadyProxy {
  readonly #server: Server;
  readonly #ready = new Set<number>();
  readonly #sockets = new Set<Socket>();
  readonly #timer: NodeJS.Timeout;

  private constructor(ports: () => readonly number[]) {
    this.#server = createServer((near) => this.#take(near));
    this.#timer = setInterval(() => void this.#probe(ports()), POLL_MS);
  }

  static async start(ports: () => readonly number[]): Promise<ReadyProxy> {
    const proxy = new ReadyProxy(ports);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #probe(ports: readonly number[]): Promise<void> {
    const found = await Promise.all(ports.map(async (port) => ({ port, ready: await isReady(port) })));
    for (const { port, ready } of found) {
      if (ready) this.#ready.add(port);
      else this.#ready.delete(port);
    }
  }

  #take(near: Socket): void {
    const port = [...this.#ready].at(-1);
    const far = port === undefined ? null : connect(port, "127.0.0.1");
    const end = () => {
      near.destroy();
      far?.destroy();
    };
    for (const socket of [near, far]) {
      if (!socket) continue;
      this.#sockets.add(socket);
      socket.on("error", end).on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    if (!far) {
      end();
      return;
    }
    near.pipe(far);
    far.pipe(near);
  }
}
