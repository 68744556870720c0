/** How many clients of one network may be connected that have been silent for `SILENT_MS`. */
const MOST_SILENT = 256;
const SILENT_MS = 1_000;

/** Connected clients that have not sent their CONNECT, by network. The oldest make room for newer ones. */
export class SilentClients<Client> {
  /** Oldest first, with the time of their connection. */
  readonly #clients = new Map<string, Map<Client, number>>();

  /** A client connected. Returns the client that must make room for it, or null. `now`: milliseconds of a monotonic clock. */
  add(client: Client, network: string, now: number): Client | null {
    const silent = this.#clients.get(network) ?? new Map<Client, number>();
    this.#clients.set(network, silent);
    silent.set(client, now);
    const [oldest] = silent;
    if (silent.size <= MOST_SILENT || !oldest || oldest[1] > now - SILENT_MS) return null;
    silent.delete(oldest[0]);
    return oldest[0];
  }

  /** The client sent its CONNECT, or disconnected. */
  remove(client: Client, network: string): void {
    const silent = this.#clients.get(network);
    silent?.delete(client);
    if (silent?.size === 0) this.#clients.delete(network);
  }
}
