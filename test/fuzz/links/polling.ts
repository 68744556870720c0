import { Agent, request } from "node:http";
import type { Answers } from "../answers.ts";
import type { Input } from "../inputs/attack.ts";
import { bodyOf, type Link, type LinkOptions } from "./link.ts";

const SEPARATOR = "\x1e";
/** Engine.IO's packet that ends a session, which would otherwise wait for its ping timeout. */
const LEAVE = "1";

/** A polling session: sequential GETs, and POSTs in order. */
export class PollingLink implements Link {
  readonly answers: Answers;
  readonly ready: Promise<void>;
  readonly #agent = new Agent({ keepAlive: true });
  #address: string;
  #ended = false;
  #posts: Promise<void> = Promise.resolve();

  constructor({ url, answers, connect }: LinkOptions) {
    this.answers = answers;
    this.#address = `${url}/socket.io/?EIO=4&transport=polling`;
    this.ready = this.#open(connect).catch(() => this.#end());
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(input: Input, name: (text: string) => string): void {
    const body = bodyOf(input, name);
    if (input.kind === "frames") this.answers.excuse();
    for (const packet of body.split(SEPARATOR)) this.answers.sent(packet);
    this.#posts = this.#posts.then(() => this.#post(body));
  }

  destroy(): void {
    const wasOpen = !this.#ended;
    this.#end();
    const left = wasOpen ? this.#exchange("POST", LEAVE).catch(() => undefined) : Promise.resolve();
    void left.then(() => this.#agent.destroy());
  }

  async #open(connect: string | null): Promise<void> {
    const [opening = ""] = await this.#exchange("GET", null);
    const { sid } = JSON.parse(opening.slice(1)) as { sid: string };
    this.#address += `&sid=${sid}`;
    if (connect === null) {
      void this.#readOn();
      return;
    }
    await this.#post(connect);
    while (!(this.answers.admitted || this.answers.refused || this.#ended)) await this.#read();
    void this.#readOn();
  }

  async #readOn(): Promise<void> {
    while (!this.#ended) await this.#read();
  }

  async #read(): Promise<void> {
    try {
      for (const packet of await this.#exchange("GET", null)) {
        this.answers.received(packet);
        if (packet === "2") this.#posts = this.#posts.then(() => this.#post("3"));
      }
    } catch {
      // The session is over.
      this.#end();
    }
  }

  async #post(body: string): Promise<void> {
    if (this.#ended) return;
    try {
      await this.#exchange("POST", body);
    } catch {
      // The hub ended the session; GET reads its reason.
    }
  }

  #end(): void {
    this.#ended = true;
  }

  /** The packets of a response. Rejects if the session is not live. */
  #exchange(method: "GET" | "POST", body: string | null): Promise<string[]> {
    return new Promise((resolve, reject) => {
      const sent = request(this.#address, { method, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString().split(SEPARATOR));
          else reject(new Error(`answered ${response.statusCode}`));
        });
      });
      sent.on("error", reject);
      sent.end(body ?? undefined);
    });
  }
}
