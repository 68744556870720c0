import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

interface Pair {
  near: Socket;
  far: Socket;
}

/**
 * A proxy between a client and the nodes. It sends each connection to a reachable node, in turn, and can cut the
 * connections of this client, or freeze them like a sleeping machine.
 */
export class Balancer {
  readonly #ports: readonly number[];
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #next: number;

  private constructor(ports: readonly number[], first: number) {
    this.#ports = ports;
    this.#next = first;
    this.#server = createServer((near) => this.#take(near));
  }

  /** `first` is the node of the first connection; each further one starts with the next node. */
  static async start(ports: readonly number[], first: number): Promise<Balancer> {
    const balancer = new Balancer(ports, first);
    await new Promise<void>((resolve) => balancer.#server.listen(0, "127.0.0.1", resolve));
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const { near, far } of [...this.#pairs]) {
      near.destroy();
      far.destroy();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #take(near: Socket): void {
    near.on("error", () => near.destroy());
    this.#next += 1;
    this.#try(near, this.#ports.length);
  }

  /** A killed node refuses immediately, and the next one is tried. */
  #try(near: Socket, left: number): void {
    if (left === 0) {
      near.destroy();
      return;
    }
    const port = this.#ports[(this.#next + left) % this.#ports.length] ?? 0;
    const far = connect(port, "127.0.0.1");
    const refused = () => this.#try(near, left - 1);
    far.once("error", refused);
    far.once("connect", () => {
      far.off("error", refused);
      this.#join({ near, far });
    });
  }

  #join(pair: Pair): void {
    const { near, far } = pair;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("close", end).on("error", end);
    near.pipe(far);
    far.pipe(near);
  }
}
