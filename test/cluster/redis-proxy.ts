import { connect, createServer, type Socket } from "node:net";

/** A proxy between a hub and its Redis. It can drop the data for subscribers, or all data, without a FIN. */
export interface RedisProxy {
  url: string;
  /** Subscribed connections receive nothing more; new ones do. */
  muffle(): void;
  /** Blocks all data in both directions, and new connections, until it is healed. */
  cut(): void;
  /** Connections that were cut stay cut; new ones pass. */
  heal(): void;
  close(): void;
}

export async function proxyTo(port: number): Promise<RedisProxy> {
  const pairs = new Set<{ client: Socket; muffled: boolean; subscribed: boolean; cut: boolean }>();
  let down = false;
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    const pair = { client, muffled: false, subscribed: false, cut: down };
    pairs.add(pair);
    client.on("data", (bytes) => {
      pair.subscribed ||= bytes.includes("ssubscribe");
      if (!pair.cut) upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (!pair.cut && !pair.muffled) client.write(bytes);
    });
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const listening = typeof address === "object" && address ? address.port : 0;
  return {
    url: `redis://127.0.0.1:${listening}`,
    muffle() {
      for (const pair of pairs) pair.muffled = pair.subscribed;
    },
    cut() {
      down = true;
      for (const pair of pairs) pair.cut = true;
    },
    heal() {
      down = false;
    },
    close() {
      server.close();
      for (const { client } of pairs) client.destroy();
    },
  };
}
