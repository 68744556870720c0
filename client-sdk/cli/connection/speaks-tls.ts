import { isIP } from "node:net";
import { connect } from "node:tls";

const LIMIT_MS = 2_000;

/**
 * Whether the address's host and port answer a TLS handshake. The certificate is not checked, and no data is sent.
 * Asked by `http://`, a TLS port looks like any server that hangs up: only a handshake shows the difference.
 */
export function speaksTls({ hostname, port }: URL): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = connect({
    host,
    port: Number(port || 80),
    rejectUnauthorized: false,
    timeout: LIMIT_MS,
    ...(isIP(host) ? {} : { servername: host }),
  });
  return new Promise<boolean>((resolve) => {
    socket.once("secureConnect", () => resolve(true));
    socket.once("timeout", () => resolve(false));
    socket.on("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  }).finally(() => socket.destroy());
}
