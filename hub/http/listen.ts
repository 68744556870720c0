import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** Clients that reconnect all together wait here; further ones are dropped and retry seconds later. */
const BACKLOG = 4_096;

/** Listens, and resolves with the URL. Rejects with an error that names `variables` if the address is not available. */
export function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  variables: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, `${host}:${port}`, variables)));
    server.listen({ port, host, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      const { port: actual } = server.address() as AddressInfo;
      const name = host === "0.0.0.0" || host === "127.0.0.1" ? "localhost" : host;
      resolve(`http://${name}:${actual}`);
    });
  });
}

function listenError(error: NodeJS.ErrnoException, address: string, variables: string): Error {
  const taken = error.code === "EADDRINUSE" ? "is in use" : `can't be listened on (${error.code})`;
  const remedy = `Set ${variables} to another one, or stop what uses it.`;
  return Object.assign(new Error(`${address} ${taken}. ${remedy}`, { cause: error }), { remedy });
}
