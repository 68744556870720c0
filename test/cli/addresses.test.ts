import { is, match, not } from "uvu/assert";
import { checkedUrl } from "../../client-sdk/cli/context.ts";
import { CliFailure } from "../../client-sdk/cli/failure.ts";
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
    throw new Error("it was taken");
  });
}

test(
  "a context keeps the path, and its token goes to that address alone",
  () =>
    withHub({ env: { BASE_PATH: "/realtime" } }, (hub) =>
      withCli({}, async (cli) => {
        is((await cli.run(["context", "add", "here", "--url", `${hub.url}/`, "--token", hub.userToken])).code, 0);
        const listed = await cli.run(["context", "list", "--json"]);
        is(jsonLines<{ url: string }>(listed.stdout)[0]?.url, hub.url);
        const called = await cli.run(["rpc", "projects.list"]);
        is(called.code, 0, called.stderr);
        fails(await cli.run(["rpc", "projects.list", "--url", new URL(hub.url).origin]), 4, "There is no token");
      }),
    ),
  LIMIT_MS,
);

test(
  "a path that is missing, or too much, ends at once and says what answered",
  () =>
    withHub({ env: { BASE_PATH: "/realtime" } }, (hub) =>
      withCli({}, async (cli) => {
        for (const url of [new URL(hub.url).origin, `${hub.url}/deeper`]) {
          fails(await cli.run(["rpc", "projects.list"], { env: at(url, hub.userToken) }), 3, "no hub (HTTP 404)");
        }
      }),
    ),
  LIMIT_MS,
);

test.needing("openssl")(
  "what is wrong with TLS is said at once, as TLS's, by every command and by the doctor",
  () =>
    withTlsServers(({ selfSigned, expired, otherHost, plainHttp, plainToTls, certificates }) =>
      withCli({}, async (cli) => {
        const call = async (url: string, expected: RegExp, trusted?: { certFile: string }) => {
          const trust: Record<string, string> = trusted ? { NODE_EXTRA_CA_CERTS: trusted.certFile } : {};
          const result = await cli.run(["rpc", "projects.list"], { env: { ...at(url, "t"), ...trust } });
          fails(result, 3, expected);
          not.match(result.stderr, /is no hub|Trying for/);
        };
        await call(selfSigned, /TLS failed: its certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
        await call(expired, /TLS failed: its certificate has expired/, certificates.expired);
        await call(otherHost, /TLS failed: its certificate is for another host name/, certificates.otherHost);
        await call(plainHttp, /it does not speak TLS; is it http\?/);
        await call(plainToTls, /TLS is spoken there; use https:\/\//);
        const doctor = await cli.run(["doctor", plainToTls, "--token", "t"]);
        match(doctor.stdout, /fail\thttp\tTLS is spoken there\tUse its https:\/\/ address\./);
      }),
    ),
  LIMIT_MS,
);

test.run();
