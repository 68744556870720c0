import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** An issuer whose keys the hub reads over HTTP, as it reads those of Monster Auth. It runs until its process ends. */
export class RemoteIssuer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<RemoteIssuer> {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keys = JSON.stringify({
      keys: [{ ...publicKey.export({ format: "jwk" }), kid: "known", alg: "ES256", use: "sig" }],
    });
    const server = createServer(({ url }, response) => {
      const found = url === "/.well-known/jwks.json";
      response.writeHead(found ? 200 : 404, { "content-type": "application/json" }).end(found ? keys : "{}");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new RemoteIssuer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
