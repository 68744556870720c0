import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { Redis } from "ioredis";
import { keep, release } from "./kept.ts";

const START_LIMIT_MS = 10_000;
const RETRY_MS = 20;

/** A separate redis-server for the bench, without persistence. */
export class BenchRedis {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  readonly #admin: Redis;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(`it ended with ${code ?? signal}`));
    });
    this.url = `redis://127.0.0.1:${port}`;
    this.#admin = new Redis(port, "127.0.0.1", { maxRetriesPerRequest: null, retryStrategy: () => RETRY_MS });
    // Until it listens, each attempt fails and is retried.
    this.#admin.on("error", () => undefined);
  }

  /** Starts it and waits for its answer. Rejects, with nothing left running, if it ends or does not answer within ten seconds. */
  static async start(): Promise<BenchRedis> {
    const port = await freePort();
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const child = spawn("redis-server", args, { stdio: "ignore" });
    if (child.pid !== undefined) keep({ pid: child.pid, signal: "SIGKILL" });
    const redis = new BenchRedis(child, port);
    try {
      await redis.#answers();
      return redis;
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  /** Commands that it has executed since its start, from all clients; those inside scripts are not counted. */
  async commands(): Promise<number> {
    const stats = await this.#admin.info("stats");
    return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1] ?? 0);
  }

  async stop(): Promise<void> {
    this.#admin.disconnect();
    this.#child.kill("SIGTERM");
    await this.#exited;
    if (this.#child.pid !== undefined) release(this.#child.pid);
  }

  async #answers(): Promise<void> {
    const failed = (why: string) =>
      new Error(
        `redis-server can't be measured with: ${why}. Check \`redis-server --version\`; npm test -- --install installs it.`,
      );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(failed(`no answer within ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
    });
    const ended = this.#exited.then((why) => Promise.reject(failed(why)));
    await Promise.race([this.#admin.ping(), ended, late]).finally(() => clearTimeout(timer));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address ? address.port : 0;
}
