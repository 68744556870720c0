import type { RealtimeError } from "../../kernel/errors.ts";
import { speaksTls } from "./speaks-tls.ts";

/** Why no hub was reached, without a final period. `final`: a retry can't help. */
export interface Unreached {
  reason: string;
  final: boolean;
}

/** The error codes of a client that got no answer from a hub. */
const UNREACHED: readonly string[] = ["unreachable", "tls_failed", "connect_timeout"];
const BY_CODE: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "the connection was refused"],
  ["ECONNRESET", "the connection was reset"],
  ["ETIMEDOUT", "no answer"],
  ["EHOSTUNREACH", "no route to the host"],
  ["ENETUNREACH", "no route to the host"],
  ["EAI_AGAIN", "the name can't be resolved now"],
]);
const BY_CERTIFICATE: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "TLS failed: the certificate has expired"],
  ["CERT_NOT_YET_VALID", "TLS failed: the certificate is not valid yet; compare the clocks"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "TLS failed: the certificate is for another host name"],
]);

/** Whether the error means that no hub answered. */
export const isUnreached = ({ code }: RealtimeError): boolean => UNREACHED.includes(code);

/** Reads the transport's error below the SDK's error. */
export function whyUnreached(error: RealtimeError): Unreached {
  if (error.code === "connect_timeout") return { reason: "no hub answers", final: false };
  const { code, message } = transportError(error);
  if (code === "ENOTFOUND") return { reason: "the host does not exist", final: true };
  if (error.code === "tls_failed") return { reason: whyTlsFailed(code, message), final: true };
  const status = statusIn(message);
  if (status) return { reason: `the answer is not from a hub (HTTP ${status})`, final: /^[234]/.test(status) };
  return { reason: BY_CODE.get(code) ?? (message || error.message), final: false };
}

/** Like `whyUnreached`. If a port of an http:// address may use TLS, it also tries a TLS handshake. */
export async function whyUnreachedAt(url: string, error: RealtimeError): Promise<Unreached> {
  const { code, message } = transportError(error);
  const mayBeTls = error.code === "unreachable" && (code === "ECONNRESET" || statusIn(message) === "400");
  if (!url.startsWith("http:") || !mayBeTls || !(await speaksTls(new URL(url)))) return whyUnreached(error);
  return { reason: "the port uses TLS; use https://", final: true };
}

function whyTlsFailed(code: string, message: string): string {
  if (message.includes("wrong version number")) return "the port does not use TLS; try http://";
  return (
    BY_CERTIFICATE.get(code) ??
    `TLS failed: the certificate is not trusted (${code || message}); set NODE_EXTRA_CA_CERTS for your own authority`
  );
}

const statusIn = (message: string): string | undefined => /server response: (\d+)/.exec(message)?.[1];

/** Unwraps the socket's error: engine.io wraps it in an event, and the event in another error. */
function transportError({ cause }: RealtimeError): { code: string; message: string } {
  const { description } = (cause ?? {}) as { description?: { message?: unknown; error?: { code?: unknown } } };
  const { message, error } = description ?? {};
  return { code: String(error?.code ?? ""), message: typeof message === "string" ? message : "" };
}
