import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Certificate, certificateFor } from "./certificate.ts";

/** Addresses with TLS faults, each on localhost. */
export interface TlsServers {
  selfSigned: string;
  expired: string;
  otherHost: string;
  /** https:// of a port that speaks plain HTTP. */
  plainHttp: string;
  /** http:// of a port that speaks TLS. */
  plainToTls: string;
  certificates: { selfSigned: Certificate; expired: Certificate; otherHost: Certificate };
}

/** Runs `body` beside servers that answer every request with 404. */
export async function withTlsServers(body: (servers: TlsServers) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const own = (host: string, days: number) => certificateFor(host, mkdtempSync(join(folder, "certificate-")), days);
  const [selfSigned, expired, otherHost] = [own("localhost", 30), own("localhost", -1), own("other.invalid", 30)];
  const tls = [selfSigned, expired, otherHost].map((certificate) =>
    createTlsServer(certificate, (_, answer) => answer.writeHead(404).end()),
  );
  const plain = createHttpServer((_, answer) => answer.writeHead(404).end());
  const servers: Server[] = [...tls, plain];
  const [first, second, third, last] = await Promise.all(servers.map(portOf));
  try {
    await body({
      selfSigned: `https://localhost:${first}`,
      expired: `https://localhost:${second}`,
      otherHost: `https://localhost:${third}`,
      plainHttp: `https://localhost:${last}`,
      plainToTls: `http://localhost:${first}`,
      certificates: { selfSigned, expired, otherHost },
    });
  } finally {
    for (const server of [...tls, plain]) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return (server.address() as AddressInfo).port;
}
