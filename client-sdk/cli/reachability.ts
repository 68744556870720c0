import type { RealtimeError } from "../errors.ts";

/** Why nothing like a hub was reached, without a stop at its end; `final` where trying again can't mend it. */
export interface Unreached {
  reason: string;
  final: boolean;
}

const CERTIFICATE = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_)/;
const BY_CODE: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing listens there"],
  ["ECONNRESET", "the connection is cut at once (is it https?)"],
  ["ETIMEDOUT", "nothing comes back"],
  ["EHOSTUNREACH", "no network leads there"],
  ["ENETUNREACH", "no network leads there"],
  ["EAI_AGAIN", "names can't be looked up now"],
]);

/** Reads what the transport says below the SDK's error. */
export function whyUnreached(error: RealtimeError): Unreached {
  if (error.code === "connect_timeout") return { reason: "nothing there answers as a hub does", final: false };
  const { code, message } = transportError(error);
  if (code === "ENOTFOUND") return { reason: "there is no such host", final: true };
  if (code === "EPROTO") return { reason: "it does not speak TLS; is it http?", final: true };
  if (CERTIFICATE.test(code)) {
    return {
      reason: `its certificate is not trusted (${code}); set NODE_EXTRA_CA_CERTS for an own authority`,
      final: true,
    };
  }
  const [, status] = /server response: (\d+)/.exec(message) ?? [];
  if (status) return { reason: `what answers there is no hub (HTTP ${status})`, final: /^[234]/.test(status) };
  return { reason: BY_CODE.get(code) ?? (message || error.message), final: false };
}

/** engine.io wraps the socket's error in an event, and that in an error of its own. */
function transportError({ cause }: RealtimeError): { code: string; message: string } {
  const { description } = (cause ?? {}) as { description?: { message?: unknown; error?: { code?: unknown } } };
  const { message, error } = description ?? {};
  return { code: String(error?.code ?? ""), message: typeof message === "string" ? message : "" };
}
