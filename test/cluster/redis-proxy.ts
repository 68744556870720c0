import { connect, createServer, type Socket } from "node:net";

/** Stands between a hub and its Redis, and can swallow what subscribers are sent, or everything, without a FIN. */
export interface RedisProxy {
  url: string;
  /** Connections that subscribed hear nothing any more; new ones do. */
  muffle(): void;
  /** Nothing goes through in either direction, nor does anybody connect, until it is healed. */
  cut(): void;
  /** What was cut stays cut; who connects now gets through. */
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
