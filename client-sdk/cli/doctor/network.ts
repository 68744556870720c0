import { execFile } from "node:child_process";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { inMs } from "../format/times.ts";
import { type Check, type Finding, fail, ok, type Patient, warn } from "./check.ts";

/** Prints the answer of the system's resolver: an array of addresses, or the error's code. */
const LOOKUP_SCRIPT = `require("node:dns").lookup(process.argv[1], { all: true }, (error, found) =>
  console.log(JSON.stringify(error ? error.code : found.map(({ address }) => address))))`;

const DAY_MS = 86_400_000;
const EXPIRY_WARNING_DAYS = 14;

/** Checks that the host name resolves to addresses. */
export const nameCheck: Check = {
  id: "name",
  title: "name",
  needs: [],
  async run(patient) {
    const host = hostOf(patient);
    if (isIP(host)) return ok(`${host} is an IP address`);
    try {
      const addresses = await lookupName(host, patient.timeoutMs, patient.signal);
      return ok(`${host} resolves to ${addresses.join(", ")}`);
    } catch (error) {
      patient.signal.throwIfAborted();
      return unknownName(host, (error as { code?: unknown }).code);
    }
  },
};

/**
 * Returns a host's addresses from the system's resolver. Rejects with an error whose `code` is the resolver's, or
 * `TIMEOUT`. A lookup can't be cancelled, and a process can't exit while one is pending. This one runs in a child
 * process that can be killed.
 */
function lookupName(host: string, timeoutMs: number, signal: AbortSignal): Promise<string[]> {
  const env = { ...process.env, NODE_OPTIONS: "" };
  return new Promise((resolve, reject) => {
    const options = { env, timeout: timeoutMs, signal, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, ["-e", LOOKUP_SCRIPT, host], options, (error, stdout) => {
      if (signal.aborted) return reject(signal.reason);
      if (error) return reject(error.killed ? Object.assign(error, { code: "TIMEOUT" }) : error);
      const answer = JSON.parse(stdout) as string | string[];
      if (typeof answer === "string") reject(Object.assign(new Error(`${host}: ${answer}`), { code: answer }));
      else resolve(answer);
    });
  });
}

function unknownName(host: string, code: unknown): Finding {
  if (code === "TIMEOUT")
    return fail(`the DNS server does not answer for ${host}`, "Check this machine's network and its DNS server.");
  if (code === "EAI_AGAIN")
    return fail(`${host} can't be resolved now`, "Check this machine's network and its DNS server.");
  if (code !== "ENOTFOUND")
    return fail(`${host} can't be resolved (${code})`, "Check this machine's network and its DNS server.");
  return fail(`host ${host} does not exist`, "Check the address for typing errors, and its DNS record.");
}

/** Checks that the port accepts TCP connections. */
export const tcpCheck: Check = {
  id: "tcp",
  title: "TCP",
  needs: ["name"],
  async run(patient) {
    const place = `${hostOf(patient)}:${portOf(patient)}`;
    const begun = performance.now();
    const socket = connectTcp({ host: hostOf(patient), port: portOf(patient) });
    try {
      await opened(socket, "connect", patient);
      return ok(`${place} accepts connections, in ${inMs(performance.now() - begun)}`);
    } catch (error) {
      return closedDoor(place, (error as NodeJS.ErrnoException).code ?? "");
    } finally {
      socket.destroy();
    }
  },
};

function closedDoor(place: string, code: string): Finding {
  if (code === "ECONNREFUSED") return fail(`${place} refuses connections`, "Check the port, and that the hub runs.");
  if (code === "TIMEOUT") return fail(`${place} does not answer`, "Check the address, and firewalls on the way.");
  return fail(`${place} can't be reached (${code})`, "Check this machine's network and the address.");
}

/** Checks TLS: its handshake and its certificate. */
export const tlsCheck: Check = {
  id: "tls",
  title: "TLS",
  needs: ["tcp"],
  async run(patient) {
    if (patient.url.protocol === "http:") return withoutTls(patient);
    const servername = isIP(hostOf(patient)) ? {} : { servername: hostOf(patient) };
    // Accepted first and checked below, so that an invalid certificate can be inspected.
    const socket = connectTls({
      host: hostOf(patient),
      port: portOf(patient),
      rejectUnauthorized: false,
      ...servername,
    });
    try {
      await opened(socket, "secureConnect", patient);
      return judged(socket, hostOf(patient));
    } catch (error) {
      return noTls((error as NodeJS.ErrnoException).code ?? "");
    } finally {
      socket.destroy();
    }
  },
};

function withoutTls(patient: Patient): Finding {
  const host = hostOf(patient);
  if (host === "localhost" || host === "::1" || host.startsWith("127."))
    return ok("not used, and not needed within one machine");
  return warn("not used: tokens can be read in transit", "Put the hub behind TLS and use its https:// address.");
}

function noTls(code: string): Finding {
  if (code === "TIMEOUT")
    return fail("no answer to the handshake", "Check that this port uses TLS. It may need http://.");
  return fail(`the port does not use TLS (${code})`, "Check the port, or use http:// if the hub has no TLS.");
}

function judged(socket: TLSSocket, host: string): Finding {
  const certificate = socket.getPeerCertificate();
  const trouble = certificateTrouble(certificate, String(socket.authorizationError ?? ""), host);
  if (trouble) return trouble;
  const days = Math.floor((Date.parse(certificate.valid_to) - Date.now()) / DAY_MS);
  const measured = `${socket.getProtocol()}, certificate for ${subjectOf(certificate)}, ${days} days left`;
  return days < EXPIRY_WARNING_DAYS ? warn(measured, "Renew the certificate soon.") : ok(measured);
}

function certificateTrouble(certificate: PeerCertificate, problem: string, host: string): Finding | null {
  const { valid_from: from, valid_to: to } = certificate;
  if (Date.parse(to) < Date.now()) return fail(`the certificate expired on ${to}`, "Renew it.");
  if (Date.parse(from) > Date.now())
    return fail(`the certificate is not valid before ${from}`, "Check this machine's clock, then the certificate.");
  if (problem === "") return null;
  if (problem.includes("ALTNAME")) {
    return fail(
      `the certificate is for ${subjectOf(certificate)}, not for ${host}`,
      "Use the certificate's name, or get a certificate for this name.",
    );
  }
  return fail(
    `the certificate is not trusted (${problem})`,
    "Use a certificate of a known authority, send its whole chain, or set NODE_EXTRA_CA_CERTS to your own authority's file.",
  );
}

function subjectOf({ subject, subjectaltname }: PeerCertificate): string {
  const names = subjectaltname?.replace(/(?:DNS|IP Address):/g, "");
  return names ?? String(subject?.CN ?? "no name");
}

/** Resolves at `event`. Rejects with the socket's error, or an error with code TIMEOUT. */
function opened(socket: Socket, event: "connect" | "secureConnect", { timeoutMs, signal }: Patient): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(Object.assign(new Error("no answer"), { code: "TIMEOUT" })), timeoutMs);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const finish = (settle: () => void) => {
      clearTimeout(limit);
      signal.removeEventListener("abort", abort);
      settle();
    };
    socket.once(event, () => finish(resolve));
    // Errors after the event are ignored.
    socket.on("error", (error) => finish(() => reject(error)));
  });
}

/** Removes the brackets around IPv6 addresses in URLs. */
const hostOf = ({ url }: Patient): string => url.hostname.replace(/^\[|\]$/g, "");
const portOf = ({ url }: Patient): number => Number(url.port || (url.protocol === "https:" ? 443 : 80));
