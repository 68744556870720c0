import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Certificate, certificateFor } from "./certificate.ts";
import { until } from "./until.ts";

/** A running nginx in front of a hub. */
export interface Nginx {
  /** `https://localhost:port`. */
  origin: string;
  certificate: Certificate;
}

/**
 * Runs `body` with a real nginx with this configuration, which is written as in docs/deploy.md: for a hub at
 * 127.0.0.1:4000, on port 443, with certificates in /etc/ssl. This function replaces host, ports and certificates.
 */
export async function withNginx(configuration: string, hubUrl: string, body: (nginx: Nginx) => Promise<void>) {
  const folder = mkdtempSync(join(tmpdir(), "nginx-"));
  const certificate = certificateFor("localhost", folder);
  const port = await freePort();
  const adapted = configuration
    .replaceAll("127.0.0.1:4000", new URL(hubUrl).host.replace("localhost", "127.0.0.1"))
    .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
    .replace(/ssl_certificate +\S+;/, `ssl_certificate ${certificate.certFile};`)
    .replace(/ssl_certificate_key +\S+;/, `ssl_certificate_key ${certificate.keyFile};`)
    .replace("server_name hub.example.com", "server_name localhost");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const file = join(folder, "nginx.conf");
  const own = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log; events {}`;
  writeFileSync(file, `${own}\nhttp {\naccess_log off;\n${temporary.join("\n")}\n${adapted}\n}\n`);
  const nginx = spawn("nginx", ["-e", join(folder, "error.log"), "-p", folder, "-c", file], { stdio: "inherit" });
  const ended = once(nginx, "close");
  try {
    await until("nginx listens", () => nginx.exitCode === null && listensAt(port));
    await body({ origin: `https://localhost:${port}`, certificate });
  } finally {
    nginx.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A free port of loopback. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function listensAt(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).finally(() => socket.destroy());
}
