import { is, match, not } from "uvu/assert";
import { checkedUrl } from "../../client-sdk/cli/connection/context.ts";
import { CliFailure } from "../../client-sdk/cli/kernel/failure.ts";
import { withHub } from "../support/hub.ts";
import { suite } from "../support/suite.ts";
import { withTlsServers } from "../support/tls-servers.ts";
import { at, fails, jsonLines, withCli } from "./support/cli.ts";

const test = suite("addresses in the command line");
const LIMIT_MS = 60_000;

for (const [given, kept] of [
  ["http://localhost:4000", "http://localhost:4000"],
  ["HTTPS://Hub.Example.com/", "https://hub.example.com"],
  ["https://hub.example.com/realtime", "https://hub.example.com/realtime"],
  ["https://hub.example.com:8443/a/b//", "https://hub.example.com:8443/a/b"],
] as const) {
  test(`${given} is kept as ${kept}`, () => is(checkedUrl(given), kept));
}

for (const [given, problem] of [
  ["hub.example.com", "is not a URL"],
  ["localhost:4000", "does not begin with http:// or https://"],
  ["wss://hub.example.com", "does not begin with http:// or https://"],
  ["https://me:hunter2@hub.example.com", "has a user name or password"],
  ["https://:hunter2@hub.example.com/realtime", "has a user name or password"],
  ["https://hub.example.com/?a=b", "has a query or a fragment"],
  ["https://hub.example.com/#/workstations", "has a query or a fragment"],
] as const) {
  test(`${given.replace("hunter2", "…")} is refused: it ${problem}`, () => {
    try {
      checkedUrl(given);
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      is(error.exitCode, 2);
      match(error.message, problem);
      not.match(error.message, "hunter2");
      return;
    }
    throw new Error("it was accepted");
  });
}

test(
  "a context keeps the path, and its token is sent only to that address",
  () =>
    withHub({ env: { BASE_PATH: "/realtime" } }, (hub) =>
      withCli({}, async (cli) => {
        is((await cli.run(["context", "add", "here", "--url", `${hub.url}/`, "--token", hub.userToken])).code, 0);
        const listed = await cli.run(["context", "list", "--json"]);
        is(jsonLines<{ url: string }>(listed.stdout)[0]?.url, hub.url);
        const called = await cli.run(["rpc", "projects.list"]);
        is(called.code, 0, called.stderr);
        fails(await cli.run(["rpc", "projects.list", "--url", new URL(hub.url).origin]), 4, "No token for");
      }),
    ),
  LIMIT_MS,
);

test(
  "a missing or wrong path fails immediately and reports the HTTP status",
  () =>
    withHub({ env: { BASE_PATH: "/realtime" } }, (hub) =>
      withCli({}, async (cli) => {
        for (const url of [new URL(hub.url).origin, `${hub.url}/deeper`]) {
          fails(
            await cli.run(["rpc", "projects.list"], { env: at(url, hub.userToken) }),
            3,
            "not from a hub (HTTP 404)",
          );
        }
      }),
    ),
  LIMIT_MS,
);

test.needing("openssl")(
  "every command and the doctor report a TLS failure immediately",
  () =>
    withTlsServers(({ selfSigned, expired, otherHost, plainHttp, plainToTls, certificates }) =>
      withCli({}, async (cli) => {
        const call = async (url: string, expected: RegExp, trusted?: { certFile: string }) => {
          const trust: Record<string, string> = trusted ? { NODE_EXTRA_CA_CERTS: trusted.certFile } : {};
          const result = await cli.run(["rpc", "projects.list"], { env: { ...at(url, "t"), ...trust } });
          fails(result, 3, expected);
          not.match(result.stderr, /not from a hub|Trying for/);
        };
        await call(selfSigned, /TLS failed: the certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
        await call(expired, /TLS failed: the certificate has expired/, certificates.expired);
        await call(otherHost, /TLS failed: the certificate is for another host name/, certificates.otherHost);
        await call(plainHttp, /the port does not use TLS; try http:\/\//);
        await call(plainToTls, /the port uses TLS; use https:\/\//);
        const doctor = await cli.run(["doctor", plainToTls, "--token", "t"]);
        match(doctor.stdout, /fail\thttp\tthe port uses TLS\tUse its https:\/\/ address\./);
      }),
    ),
  LIMIT_MS,
);

test.run();
