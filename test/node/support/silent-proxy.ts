import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { DatabaseInfo } from "../../support/database.ts";

/** The network path of one hub to Postgres, which can drop everything without ending a connection. */
export interface SilentProxy {
  url: string;
  /** Drops everything in both directions, on existing and new connections, until it is healed. */
  swallow(): void;
  /** Ends the dropped connections for the hub; new ones are forwarded. */
  heal(): void;
  close(): void;
}

export async function silentProxyTo({ socketDir, user, database }: DatabaseInfo): Promise<SilentProxy> {
  const pairs = new Set<{ near: Socket; far: Socket; silent: boolean }>();
  let down = false;
  const server = createServer((near) => {
    const far = connect(`${socketDir}/.s.PGSQL.5432`);
    const pair = { near, far, silent: down };
    pairs.add(pair);
    near.on("data", (bytes) => void (pair.silent || far.write(bytes)));
    far.on("data", (bytes) => void (pair.silent || near.write(bytes)));
    const end = () => {
      // A peer that is cut off is not notified of the other one's end.
      if (pair.silent) return;
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endAll = () => {
    for (const { near, far } of pairs) {
      near.destroy();
      far.destroy();
    }
    pairs.clear();
  };
  return {
    url: `postgres://${user}@127.0.0.1:${(server.address() as AddressInfo).port}/${database}`,
    swallow() {
      down = true;
      for (const pair of pairs) pair.silent = true;
    },
    heal() {
      down = false;
      endAll();
    },
    close() {
      server.close();
      endAll();
    },
  };
}
