import { EngineClient, type EngineClientOptions } from "../load/engine-client.ts";

export interface VictimsOptions {
  url: string;
  token: string;
  /** One task for each victim; each victim has a separate connection. */
  taskIds: readonly string[];
  localAddress: string;
  /** The attackers' address, from which one victim in four reconnects before each request; null: the hub limits it by design. */
  besideAttackers: string | null;
}

interface Victim {
  client: EngineClient;
  taskId: string;
  /** Reconnects; null: this one stays connected. */
  reconnect: (() => Promise<EngineClient>) | null;
  /** The time of the last connect, or attempt. */
  connectedAt: number;
}

/** What the victims observed. */
export interface Suffering {
  /** Milliseconds of each request that succeeded. */
  latencies: number[];
  /** The error of each failed request. */
  failures: string[];
  disconnects: number;
}

/** A request without an answer within this time has failed, as in the SDK. */
const REQUEST_LIMIT_MS = 5_000;
const EVERY_MS = 150;
/** A principal's connect rate is limited: all victims are one principal. */
const RECONNECT_EVERY_MS = 2_000;
const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Clients of a tenant with normal work: they publish, subscribe and call `tasks.get`, and count failures. Every
 * second one stays connected; the others reconnect every two seconds, half of them from the attackers' address.
 */
export class Victims {
  readonly #victims: Victim[] = [];
  readonly #lost = new Set<EngineClient>();
  #suffering: Suffering = none();

  /** Connects all of them. Rejects if one can't. */
  async connect({ url, token, taskIds, localAddress, besideAttackers }: VictimsOptions): Promise<void> {
    for (const [index, taskId] of taskIds.entries()) {
      const newcomer = index % 2 === 1;
      const address = index % 4 === 1 ? (besideAttackers ?? localAddress) : localAddress;
      const connect = () => this.#connected({ url, token, localAddress: address, connectTimeoutMs: REQUEST_LIMIT_MS });
      const client = await connect();
      await client.call("subscribe", { channel: `task:${taskId}` });
      this.#victims.push({ client, taskId, reconnect: newcomer ? connect : null, connectedAt: NEVER });
    }
  }

  /** Runs the victims until `over` resolves and returns their observations. Each sends its next request after its last answer. */
  async work(over: Promise<unknown>): Promise<Suffering> {
    this.#suffering = none();
    let ended = false;
    const end = () => {
      ended = true;
    };
    over.then(end, end);
    await Promise.all(
      this.#victims.map(async (victim, index) => {
        for (let turn = index; !ended && !this.#lost.has(victim.client); turn += 1) {
          if (await this.#reconnect(victim)) await this.#request(victim, turn);
          await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
        }
      }),
    );
    return this.#suffering;
  }

  close(): void {
    for (const { client } of this.#victims) client.close();
    this.#victims.length = 0;
  }

  async #connected(options: EngineClientOptions): Promise<EngineClient> {
    const client = await EngineClient.connect(options);
    client.onLost = () => {
      this.#suffering.disconnects += 1;
      this.#lost.add(client);
    };
    return client;
  }

  /** Whether the victim is connected. */
  async #reconnect(victim: Victim): Promise<boolean> {
    const { reconnect } = victim;
    if (!reconnect || performance.now() - victim.connectedAt < RECONNECT_EVERY_MS) return true;
    victim.connectedAt = performance.now();
    victim.client.close();
    const connected = await this.#timed("connect", async () => {
      victim.client = await reconnect();
    });
    if (!connected) victim.connectedAt = NEVER;
    return connected;
  }

  async #request({ client, taskId }: Victim, turn: number): Promise<void> {
    const channel = `task:${taskId}`;
    const requests = [
      ["publish", { channel, type: "note", payload: turn }],
      ["subscribe", { channel }],
      ["rpc", { method: "tasks.get", params: { id: taskId } }],
    ] as const;
    const [event, body] = requests[turn % requests.length] ?? requests[0];
    await this.#timed(event, () => withLimit(client.call(event, body)));
  }

  async #timed(what: string, work: () => Promise<void>): Promise<boolean> {
    const begun = performance.now();
    try {
      await work();
      this.#suffering.latencies.push(performance.now() - begun);
      return true;
    } catch (error) {
      this.#suffering.failures.push(`${what}: ${error instanceof Error ? error.message : error}`);
      return false;
    }
  }
}

const none = (): Suffering => ({ latencies: [], failures: [], disconnects: 0 });

async function withLimit(request: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${REQUEST_LIMIT_MS} ms`)), REQUEST_LIMIT_MS);
  });
  await Promise.race([request, late]).finally(() => clearTimeout(timer));
}
