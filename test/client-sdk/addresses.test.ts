import { createClient, InvalidArgumentError, type RealtimeError, UnreachableError } from "@monster-realtime/client";
import { equal, is, match, not, throws } from "uvu/assert";
import { suite } from "../support/suite.ts";
import { withTlsServers } from "../support/tls-servers.ts";

const test = suite("addresses of hubs");

/** The client's state and error after its first attempt. */
async function firstError(url: string, options: object = {}): Promise<RealtimeError> {
  const client = createClient({ url, token: "t", ...options });
  client.on("error", () => undefined);
  try {
    return await new Promise<RealtimeError>((resolve, reject) => {
      client.on("state", (state) => state.name === "waiting" && resolve(state.error));
      client.connect().then(() => reject(new Error("it connected")), reject);
    });
  } finally {
    await client.close();
  }
}

const WRONG = [
  "",
  "localhost",
  "localhost:4000",
  "/realtime",
  "//localhost:4000",
  "http://",
  "http://[::1",
  "http://localhost:99999",
  "ftp://localhost",
  "ws://localhost:4000",
  "wss://localhost",
  "javascript:alert(1)",
  "https://me@localhost",
  "https://me:hunter2@localhost",
  "https://:hunter2@localhost/realtime",
  "https://localhost/?token=hunter2",
  "https://localhost/realtime?a=b",
  "https://localhost/#token=hunter2",
];

test("an invalid address is rejected immediately and never quoted", () => {
  for (const url of [...WRONG, undefined, null, 4_000, {}]) {
    throws(
      () => createClient({ url: url as string, token: "t" }),
      (error: unknown) => {
        is(error instanceof InvalidArgumentError, true, String(url));
        match((error as Error).message, /^url must be an http\(s\):\/\/ address without password and query/);
        not.match((error as Error).message, "hunter2");
        return true;
      },
    );
  }
});

test("addresses with ports, paths and slashes are accepted", () => {
  for (const url of [
    "http://localhost:4000",
    "https://[::1]:4000/",
    "https://h/a/b.c/",
    "HTTPS://H/%20/",
    "http://h?",
    "http://h#",
  ]) {
    is(createClient({ url, token: "t" }).state.name, "idle", url);
  }
});

const TLS_CODES = [
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CRL_SIGNATURE_FAILURE",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "EPROTO",
  "ERR_SSL_WRONG_VERSION_NUMBER",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "ERR_TLS_HANDSHAKE_TIMEOUT",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];
const NETWORK_CODES = [
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EPROTONOSUPPORT",
  "ETIMEDOUT",
  "HPE_INVALID_CONSTANT",
];
const tls = test.needing("openssl");

tls("an untrusted, expired or wrong certificate, and a port without TLS, are TLS failures", () =>
  withTlsServers(async ({ selfSigned, expired, otherHost, plainHttp, certificates }) => {
    const trusting = (trusted: { cert: Buffer }) => ({ webSocketOptions: { ca: trusted.cert.toString() } });
    const failures: [url: string, options: object, reason: RegExp][] = [
      [selfSigned, {}, /self-signed certificate/],
      [selfSigned, { transports: ["polling"] }, /self-signed certificate/],
      [expired, trusting(certificates.expired), /certificate has expired/],
      [otherHost, trusting(certificates.otherHost), /does not match certificate's altnames/],
      [plainHttp, {}, /SSL routines.*wrong version number/s],
    ];
    for (const [url, options, reason] of failures) {
      const error = await firstError(url, options);
      equal([error.code, error.temporary], ["tls_failed", true], error.message);
      match(error.message, new RegExp(`^TLS failed at ${url}/ \\(`));
      match(error.message, reason);
    }
    is((await firstError(selfSigned, trusting(certificates.selfSigned))).code, "unreachable");
  }),
);

test("a server that is not a hub is reported with its answer", async () => {
  const refused = await firstError("http://127.0.0.1:1");
  is(refused.code, "unreachable");
  match(refused.message, /^No hub answers at http:\/\/127\.0\.0\.1:1\/ \(connect ECONNREFUSED/);
});

test("an unknown host with TLS in its name is not a TLS failure", async () => {
  for (const url of ["https://certs.invalid", "https://SSL-TLS-cert.invalid:4000/TLS"]) {
    for (const transports of [["websocket"], ["polling"]]) {
      const { code, message } = await firstError(url, { transports });
      is(code, "unreachable", message);
      match(message, /^No hub answers at .* \(getaddrinfo/);
    }
  }
});

test("a text as the reason of a failed poll, as in browsers, does not replace the error's message", () => {
  const cause = Object.assign(new Error("xhr poll error"), { description: 404, context: { statusText: "Not Found" } });
  match(new UnreachableError(new URL("http://h"), cause).message, /\(xhr poll error\)/);
});

test("every TLS and certificate code of Node and OpenSSL is a TLS failure, and network codes are not", () => {
  const codeOf = (code: string) => {
    const error = Object.assign(new Error("it failed"), { code });
    const cause = Object.assign(new Error("websocket error"), { description: { error } });
    return new UnreachableError(new URL("https://h"), cause).code;
  };
  for (const code of TLS_CODES) is(codeOf(code), "tls_failed", code);
  for (const code of NETWORK_CODES) is(codeOf(code), "unreachable", code);
});

tls("http:// on a port with TLS gets an error that mentions https", () =>
  withTlsServers(async ({ plainToTls }) => {
    const { message } = await firstError(plainToTls);
    match(message, /socket hang up/);
    match(message, "Check the address, http or https");
  }),
);

test.run();
