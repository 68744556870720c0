import { EngineClient } from "./engine-client.ts";

export interface Returning {
  token: string;
  channel: string;
  /** Its position before it was cut off. */
  position: { epoch: string; offset: number };
}

export interface RecoverResult {
  recovered: number;
  /** One line for each client that failed, at most a few. */
  failures: string[];
  failed: number;
  durationMs: number;
}

const SHOWN_FAILURES = 5;

/** Clients that all reconnect at the same moment and recover what they missed. */
export class RecoverLoad {
  readonly #localAddress: string;
  readonly #clients: EngineClient[] = [];

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  /** All connect at the same time; a client has failed unless it recovers exactly `missed` publications. */
  async run(options: { url: string; clients: readonly Returning[]; missed: number }): Promise<RecoverResult> {
    const begun = performance.now();
    const attempts = options.clients.map((client) => this.#recover(options.url, client, options.missed));
    const outcomes = await Promise.allSettled(attempts);
    const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [String(outcome.reason)] : []));
    return {
      recovered: outcomes.length - failures.length,
      failures: failures.slice(0, SHOWN_FAILURES),
      failed: failures.length,
      durationMs: performance.now() - begun,
    };
  }

  async #recover(url: string, { token, channel, position }: Returning, missed: number): Promise<void> {
    const client = await EngineClient.connect({ url, token, localAddress: this.#localAddress });
    this.#clients.push(client);
    const reply = await client.call<{ recovered: boolean; publications: { offset: number }[] }>("subscribe", {
      channel,
      recover: position,
    });
    const offsets = reply.publications.map(({ offset }) => offset);
    const expected = Array.from({ length: missed }, (_, index) => position.offset + 1 + index);
    if (!reply.recovered || offsets.join() !== expected.join()) {
      throw new Error(`recovered ${reply.recovered} with offsets ${offsets.join()}, not ${expected.join()}`);
    }
  }
}
