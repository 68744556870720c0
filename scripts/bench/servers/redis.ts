import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { Redis } from "ioredis";

/** A redis-server of the bench's own, which keeps nothing on disk. */
export class BenchRedis {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #admin: Redis;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `redis://127.0.0.1:${port}`;
    this.#admin = new Redis(port, "127.0.0.1", { lazyConnect: true, retryStrategy: () => 20 });
    // Until it listens, each attempt fails and is made again.
    this.#admin.on("error", () => undefined);
  }

  static async start(): Promise<BenchRedis> {
    const port = await freePort();
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const redis = new BenchRedis(spawn("redis-server", args, { stdio: "ignore" }), port);
    await redis.#admin.connect().catch(() => once(redis.#admin, "ready"));
    return redis;
  }

  /** Commands that it has carried out since its start, whoever sent them; those inside scripts are not counted. */
  async commands(): Promise<number> {
    const stats = await this.#admin.info("stats");
    return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1] ?? 0);
  }

  async stop(): Promise<void> {
    this.#admin.disconnect();
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
