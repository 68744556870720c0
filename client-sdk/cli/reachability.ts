import type { RealtimeError } from "../errors.ts";
import { speaksTls } from "./speaks-tls.ts";

/** Why no hub was reached, without a stop at its end; `final` if another try can't help. */
export interface Unreached {
  reason: string;
  final: boolean;
}

/** Codes of a client that got no answer of a hub. */
const UNREACHED: readonly string[] = ["unreachable", "tls_failed", "connect_timeout"];
const BY_CODE: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ECONNRESET", "the connection is cut at once"],
  ["ETIMEDOUT", "nothing comes back"],
  ["EHOSTUNREACH", "no network leads there"],
  ["ENETUNREACH", "no network leads there"],
  ["EAI_AGAIN", "names can't be looked up now"],
]);
const BY_CERTIFICATE: ReadonlyMap<string, string> = new Map([
  ["CERT_HAS_EXPIRED", "TLS failed: its certificate has expired"],
  ["CERT_NOT_YET_VALID", "TLS failed: its certificate is not valid yet; compare the clocks"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "TLS failed: its certificate is for another host name"],
]);

/** Whether the error says that no hub answered. */
export const isUnreached = ({ code }: RealtimeError): boolean => UNREACHED.includes(code);

/** Reads what the transport says below the SDK's error. */
export function whyUnreached(error: RealtimeError): Unreached {
  if (error.code === "connect_timeout") return { reason: "nothing there answers as a hub does", final: false };
  const { code, message } = transportError(error);
  if (code === "ENOTFOUND") return { reason: "there is no such host", final: true };
  if (error.code === "tls_failed") return { reason: whyTlsFailed(code, message), final: true };
  const status = statusIn(message);
  if (status) return { reason: `what answers there is no hub (HTTP ${status})`, final: /^[234]/.test(status) };
  return { reason: BY_CODE.get(code) ?? (message || error.message), final: false };
}

/** The same; a port that speaks TLS, and was asked by http://, is tried once more by TLS to be sure. */
export async function whyUnreachedAt(url: string, error: RealtimeError): Promise<Unreached> {
  const { code, message } = transportError(error);
  const mayBeTls = error.code === "unreachable" && (code === "ECONNRESET" || statusIn(message) === "400");
  if (!url.startsWith("http:") || !mayBeTls || !(await speaksTls(new URL(url)))) return whyUnreached(error);
  return { reason: "TLS is spoken there; use https://", final: true };
}

function whyTlsFailed(code: string, message: string): string {
  if (message.includes("wrong version number")) return "it does not speak TLS; is it http?";
  return (
    BY_CERTIFICATE.get(code) ??
    `TLS failed: its certificate is not trusted (${code || message}); set NODE_EXTRA_CA_CERTS for an own authority`
  );
}

const statusIn = (message: string): string | undefined => /server response: (\d+)/.exec(message)?.[1];

/** engine.io wraps the socket's error in an event, and that in an error of its own. */
function transportError({ cause }: RealtimeError): { code: string; message: string } {
  const { description } = (cause ?? {}) as { description?: { message?: unknown; error?: { code?: unknown } } };
  const { message, error } = description ?? {};
  return { code: String(error?.code ?? ""), message: typeof message === "string" ? message : "" };
}
