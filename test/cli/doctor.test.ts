import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { createServer as createHttpServer, request } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { equal, is, match, not, ok } from "uvu/assert";
import { readToken } from "../../client-sdk/cli/doctor/token.ts";
import { memoryOf } from "../../hub/redis/memory-watch.ts";
import { certificateFor } from "../support/certificate.ts";
import { type Cable, withCable } from "../support/faults-network.ts";
import { withHub } from "../support/hub.ts";
import { withRedis } from "../support/redis.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { at, CLI_COMMAND, type Cli, type CliResult, jsonLines, withCli } from "./support/cli.ts";
import { withForeignHub } from "./support/foreign-hub.ts";
import { withTerminal } from "./support/terminal.ts";

const test = suite("the doctor of the command line");

interface Diagnosis {
  check: string;
  status: "ok" | "warn" | "fail" | "skipped";
  measured: string;
  remedy: string | null;
}

/** Each run of the command line is a process, which takes seconds on a busy machine. */
const LIMIT_MS = 60_000;
const TOKEN = `wst_${"x".repeat(43)}`;

/** Runs the doctor, and expects the exit code of its worst diagnosis. */
async function examined(cli: Cli, url: string, ...more: string[]): Promise<Diagnosis[]> {
  const result: CliResult = await cli.run(["doctor", url, "--json", ...more]);
  const diagnoses = jsonLines<Diagnosis>(result.stdout);
  is(result.code, diagnoses.some(({ status }) => status === "fail") ? 1 : 0, result.stderr);
  not.match(result.stderr, /\n {4}at |node:internal/);
  return diagnoses;
}

/** Expects this check to fail first, with a remedy. Returns the status of each check. */
async function failsAt(cli: Cli, url: string, check: string, measured: RegExp, ...more: string[]) {
  const diagnoses = await examined(cli, url, ...more);
  const failed = diagnoses.find(({ status }) => status === "fail");
  is(failed?.check, check, JSON.stringify(diagnoses));
  match(failed?.measured ?? "", measured);
  match(failed?.remedy ?? "", /\w+.*\.$/);
  return new Map(diagnoses.map(({ check: name, status }) => [name, status]));
}

async function withServer(server: Server, body: (port: number) => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

test(
  "a healthy hub passes every check, and the token's rights are reported",
  () =>
    withHub({}, (hub) =>
      withCli(at(hub.url, hub.userToken), async (cli) => {
        const diagnoses = await examined(cli, hub.url, "--token", hub.userToken);
        equal(
          diagnoses.filter(({ status }) => status !== "ok"),
          [],
        );
        const measured = new Map(diagnoses.map(({ check, measured: text }) => [check, text]));
        match(measured.get("sign-in") ?? "", `as user ${hub.userId}, on ${hub.node.hub.nodeId}`);
        match(measured.get("latency") ?? "", /median .* of 20 round trips/);
        match(measured.get("rights") ?? "", "Tenant: owner");
        const plain = await cli.run(["doctor"]);
        equal([plain.code, plain.stdout.split("\n").length], [0, 15]);
        match(plain.stdout, /^ok\tname\tlocalhost resolves to /);
        match(plain.stderr, "All checks passed.");
        const machine = await examined(cli, hub.url, "--token", hub.workstation.token);
        match(
          machine.find(({ check }) => check === "rights")?.measured ?? "",
          "its own channel, and projects: Project",
        );
      }),
    ),
  LIMIT_MS,
);

test("unknown names, closed ports, and servers that never answer", () =>
  withCli({}, async (cli) => {
    const more = ["--token", TOKEN, "--timeout", "700ms"];
    const unnamed = await failsAt(
      cli,
      "http://host.invalid",
      "name",
      /host host\.invalid does not exist|can't be resolved|the DNS server does not answer for host\.invalid/,
      ...more,
    );
    equal([unnamed.get("tcp"), unnamed.get("rights"), unnamed.get("token")], ["skipped", "skipped", "ok"]);
    await failsAt(cli, "http://127.0.0.1:1", "tcp", /127\.0\.0\.1:1 refuses connections/, ...more);
    await withServer(createTcpServer(), async (port) => {
      const silent = await failsAt(cli, `http://127.0.0.1:${port}`, "http", /no answer within 0\.7 s/, ...more);
      equal([silent.get("tcp"), silent.get("readiness")], ["ok", "skipped"]);
      await failsAt(cli, `https://127.0.0.1:${port}`, "tls", /no answer to the handshake/, ...more);
    });
  }));

test.needing("ip", "network namespaces")("a DNS server that never answers delays neither the check nor the exit", () =>
  withCable((cable) =>
    withCli({}, async (cli) => {
      const silent = createSocket("udp4");
      try {
        await new Promise<void>((resolve) => silent.bind(53, cable.address, resolve));
        const resolver = join(cli.home, "resolv.conf");
        writeFileSync(resolver, `nameserver ${cable.address}\n`);
        const command = ["doctor", "http://hub.example", "--json", "--token", TOKEN, "--timeout", "700ms"];
        const started = performance.now();
        const result = await inside(cable, cli, resolver, command);
        const [name, tcp] = jsonLines<Diagnosis>(result.stdout);
        is(name?.measured, "the DNS server does not answer for hub.example");
        is(tcp?.status, "skipped");
        is(result.code, 1);
        // The resolver itself gives up after 10 s.
        ok(performance.now() - started < 9_000);
      } finally {
        silent.close();
      }
    }),
  ),
);

/** Runs the command line in the cable's network namespace with another `resolv.conf`. */
function inside(cable: Cable, { env }: Cli, resolver: string, command: string[]): Promise<CliResult> {
  const mounted = ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver];
  const [file = "", ...args] = [...cable.inside, ...mounted, ...CLI_COMMAND, ...command];
  return new Promise((resolve) => {
    const child = execFile(file, args, { env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

test("a server that is not a hub, one that redirects, and one without TLS", () =>
  withCli({}, async (cli) => {
    const server = createHttpServer((_, response) => response.end("<h1>It works!</h1>"));
    await withServer(server, async (port) => {
      await failsAt(cli, `http://127.0.0.1:${port}`, "http", /not from a hub \(HTTP 200\)/, "--token", TOKEN);
      await failsAt(cli, `https://127.0.0.1:${port}`, "tls", /does not use TLS/, "--token", TOKEN);
    });
    const moved = createHttpServer((_, response) => response.writeHead(301, { location: "https://hub/" }).end());
    await withServer(moved, async (port) => {
      await failsAt(cli, `http://127.0.0.1:${port}`, "http", /redirects to https:\/\/hub\//, "--token", TOKEN);
    });
  }));

test.needing("openssl")("an untrusted certificate, one for another name, and a trusted one", () =>
  withCli({}, async (cli) => {
    const own = certificateFor("localhost", cli.home);
    const answer = createTlsServer(own, (_, response) => response.end('{"status":"ok"}'));
    await withServer(answer, async (port) => {
      const url = `https://localhost:${port}`;
      await failsAt(cli, url, "tls", /not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/, "--token", TOKEN);
      const trusted = { env: { NODE_EXTRA_CA_CERTS: own.certFile } };
      const known = await cli.run(["doctor", url, "--token", TOKEN], trusted);
      match(known.stdout, /ok\ttls\tTLSv1\.3, certificate for localhost, (29|30) days left/);
      const renamed = await cli.run(["doctor", `https://127.0.0.1:${port}`, "--token", TOKEN], trusted);
      match(renamed.stdout, /fail\ttls\tthe certificate is for localhost, not for 127\.0\.0\.1/);
    });
  }),
);

/** Forwards requests and drops the headers that proxies drop by default. */
function proxyWithoutUpgrade(target: string): Server {
  return createHttpServer((incoming, response) => {
    const { upgrade: _, connection: __, ...headers } = incoming.headers;
    const onward = request(new URL(incoming.url ?? "/", target), { headers, agent: false });
    onward.on("response", (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)));
    onward.on("error", () => response.destroy());
    onward.end();
  });
}

test("a proxy that does not forward WebSockets", () =>
  withHub({}, (hub) =>
    withCli({}, (cli) =>
      withServer(proxyWithoutUpgrade(hub.url), async (port) => {
        const url = `http://127.0.0.1:${port}`;
        const found = await failsAt(cli, url, "websocket", /answered with HTTP 400/, "--token", hub.userToken);
        equal([found.get("readiness"), found.get("sign-in")], ["ok", "skipped"]);
      }),
    ),
  ));

test("tokens that are missing, cut, wrong and expired", () =>
  withHub({}, (hub) =>
    withCli({}, async (cli) => {
      const missing = await failsAt(cli, hub.url, "token", /no token/);
      is(missing.get("websocket"), "ok");
      await failsAt(cli, hub.url, "token", /wrong length/, "--token", "wst_abc");
      await failsAt(cli, hub.url, "token", /unknown format/, "--token", "hello");
      await failsAt(cli, hub.url, "sign-in", /refused: /, "--token", TOKEN);
      const claims = Buffer.from(JSON.stringify({ sub: "me", iss: "x", exp: 1_000_000 })).toString("base64url");
      await failsAt(
        cli,
        hub.url,
        "token",
        /a user token for me, issued by x, expired \d+d/,
        "--token",
        `e30.${claims}.c2ln`,
      );
    }),
  ));

test("reads the expiry of a token locally", () => {
  const now = 1_700_000_000_000;
  const tokenFor = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
  equal(readToken(tokenFor({ sub: "me", iss: "i", exp: now / 1000 + 7_200 }), now), {
    status: "ok",
    measured: "a user token for me, issued by i, 2h left",
  });
  is(readToken(tokenFor({ sub: "me", iss: "i", exp: now / 1000 + 60 }), now).status, "warn");
  is(readToken("a.%%%.c", now).status, "fail");
});

test("hubs that are too old and too new", () =>
  withCli({}, async (cli) => {
    const more = ["--token", TOKEN];
    await withForeignHub({ protocol: 2, healthy: true }, async (url) => {
      const found = await failsAt(cli, url, "protocol", /the hub uses version 2, and this program 1/, ...more);
      is(found.get("sign-in"), "skipped");
    });
    await withForeignHub({ refuse: "unsupported_protocol", healthy: true }, (url) =>
      failsAt(cli, url, "protocol", /the hub uses another version/, ...more).then(() => undefined),
    );
  }));

test("warns of a wrong clock", () =>
  withCli({}, (cli) =>
    withForeignHub({ healthy: true, aheadMs: 60_000, answer: "forbidden" }, async (url) => {
      const diagnoses = await examined(cli, url, "--token", TOKEN);
      const clock = diagnoses.find(({ check }) => check === "clock");
      is(clock?.status, "warn");
      match(clock?.measured ?? "", /(59\d|60\d)\d\d ms ahead/);
    }),
  ));

test(
  "a draining hub and one without its database are not ready, and the failing part is reported",
  () =>
    withHub({}, (hub) =>
      withCli({}, async (cli) => {
        await hub.database.close();
        await failsAt(cli, hub.url, "readiness", /database: /, "--token", hub.userToken);
        // A draining hub keeps listening, so the start time of the program does not matter.
        await hub.node.hub.drain();
        await failsAt(cli, hub.url, "readiness", /hub: draining/, "--token", hub.userToken);
      }),
    ),
  LIMIT_MS,
);

test("each warning of a ready hub is a line with its remedy, and does not stop the checks", () =>
  withCli({}, async (cli) => {
    const warnings = {
      redis: "Redis may run short of memory: its maxmemory is 2.5 MiB. Set maxmemory to 8 MiB, or lower HISTORY_BYTES.",
      disk: "Nearly full",
    };
    await withForeignHub({ healthy: true, warnings, answer: "forbidden" }, async (url) => {
      const diagnoses = await examined(cli, url, "--token", TOKEN);
      const found = diagnoses.filter(({ check }) => check === "readiness");
      equal(
        found.map(({ status, measured, remedy }) => [status, measured, remedy]),
        [
          [
            "warn",
            "redis: Redis may run short of memory: its maxmemory is 2.5 MiB.",
            "Set maxmemory to 8 MiB, or lower HISTORY_BYTES.",
          ],
          ["warn", "disk: Nearly full", "Check the hub's log for disk."],
        ],
      );
      is(diagnoses.find(({ check }) => check === "websocket")?.status, "ok");
    });
  }));

const SHORT_OF_MEMORY = "a hub whose Redis is short of memory passes, and the doctor reports the remedy";
const shortOfMemory = () =>
  withRedis(({ url, admin }) =>
    withHub({ env: { REDIS_URL: url } }, (hub) =>
      withCli({}, async (cli) => {
        const { used } = memoryOf(await admin.info("memory"));
        await admin.config("SET", "maxmemory", String(Math.round(used / 0.9)));
        await until("the hub sees it", async () => (await (await fetch(`${hub.url}/readyz`)).text()).includes("short"));
        const diagnoses = await examined(cli, hub.url, "--token", hub.userToken);
        const [found, ...more] = diagnoses.filter(({ check }) => check === "readiness");
        equal([found?.status, more.length], ["warn", 0]);
        match(found?.measured ?? "", /^redis: Redis is short of memory: .+\.$/);
        match(found?.remedy ?? "", /^Raise maxmemory, lower HISTORY_BYTES, or remove other data stored there\.$/);
      }),
    ),
  );
test.needing("redis-server")(SHORT_OF_MEMORY, shortOfMemory, LIMIT_MS);

const IN_TERMINAL = "prints on a terminal a mark and a line for each check, and the remedy below a failure";
const inTerminal = () =>
  withHub({}, (hub) =>
    withTerminal(at(hub.url, hub.userToken), async (terminal) => {
      terminal.type("monster-realtime doctor; echo code $?");
      const well = await terminal.shows(/^code 0$/m);
      is([...well.matchAll(/^✔ \S/gm)].length, 14);
      match(well, /^✔ WebSocket {2}upgraded/m);
      not.match(well, "…  ");
      await terminal.clear();
      terminal.type("monster-realtime doctor http://127.0.0.1:1; echo code $?");
      const ill = await terminal.shows(/^code 1$/m);
      match(ill, /^✘ TCP {8}127\.0\.0\.1:1 refuses connections\n +→ Check the port/m);
      match(ill, /^· WebSocket {2}skipped: requires HTTP/m);
    }),
  );
test.needing("tmux")(IN_TERMINAL, inTerminal, 60_000);

test.run();
