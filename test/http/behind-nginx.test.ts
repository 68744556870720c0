import { request } from "node:https";
import { createClient, taskChannel } from "@monster-realtime/client";
import { equal, is, match } from "uvu/assert";
import { withCli } from "../cli/support/cli.ts";
import { fencedBlock } from "../docs/support/fenced.ts";
import { faultsOf, withBrowser } from "../support/browser.ts";
import { type TestHub, withHub } from "../support/hub.ts";
import { type Nginx, withNginx } from "../support/nginx.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("a hub behind the nginx of docs/deploy.md", "nginx", "openssl");
const inBrowser = test.needing("chromium");
const LIMIT_MS = 60_000;

const DOCUMENTED = fencedBlock("docs/deploy.md", "nginx", "upstream hub");
/** The page's configuration for `BASE_PATH=/realtime`. */
const BELOW_A_PATH = DOCUMENTED.replace("location / {", "location /realtime/ {").replace(
  "location = /metrics {",
  "location = /realtime/metrics {",
);
const REMOVES_THE_PATH = BELOW_A_PATH.replace("proxy_pass http://hub;", "proxy_pass http://hub/;");

/** Configuration, environment of the hub, and the path of its address. */
const SITES: [name: string, configuration: string, env: Record<string, string>, path: string][] = [
  ["at the root", DOCUMENTED, {}, ""],
  ["below a path", BELOW_A_PATH, { BASE_PATH: "/realtime" }, "/realtime"],
  ["below a path that nginx removes", REMOVES_THE_PATH, {}, "/realtime"],
];

type Body = (hub: TestHub, url: string, nginx: Nginx) => Promise<void>;

const withSite = (configuration: string, env: Record<string, string>, path: string, body: Body) =>
  withHub({ env: { TRUST_PROXY: "1", ...env } }, (hub) =>
    withNginx(configuration, hub.url, (nginx) => body(hub, nginx.origin + path, nginx)),
  );

for (const [name, configuration, env, path] of SITES) {
  test(
    `the SDK and the command line use the hub ${name}, through TLS`,
    () =>
      withSite(configuration, env, path, async (hub, url, { certificate }) => {
        const webSocketOptions = { ca: certificate.cert.toString() };
        const client = createClient({ url, token: hub.userToken, webSocketOptions });
        const seen: unknown[] = [];
        client.subscribe(taskChannel(hub.taskId)).on("publication", ({ payload }) => seen.push(payload));
        is((await client.connect()).principal.id, hub.userId);
        await withCli({ NODE_EXTRA_CA_CERTS: certificate.certFile }, async (cli) => {
          const where = ["--url", url, "--token", hub.userToken];
          const published = await cli.run(["publish", hub.taskChannel, "note", "1", ...where]);
          is(published.code, 0, published.stderr);
          const doctor = await cli.run(["doctor", `${url}/`, "--token", hub.userToken]);
          is(doctor.code, 0, doctor.stdout);
        });
        await until("it is received", () => seen.length === 1);
        await client.close();
      }),
    LIMIT_MS,
  );

  inBrowser(
    `the console works ${name}, also from an address without its slash`,
    () =>
      withSite(configuration, env, path, (hub, url) =>
        withBrowser(async (browser) => {
          const page = await browser.newPage({ ignoreHTTPSErrors: true });
          const faults = faultsOf(page);
          await page.goto(`${url}#token=${hub.userToken}`);
          await page.waitForSelector("#connection[data-state=connected]");
          is(page.url(), `${url}/#/workstations`);
          await page.click("nav >> text=Channels");
          await page.waitForSelector("#channel");
          is(page.url(), `${url}/#/inspect`);
          equal(faults, []);
        }),
      ),
    LIMIT_MS,
  );
}

test(
  "an upstream connection that was idle longer than Node's default still serves, and none ends in a 502",
  () =>
    withHub({ env: { TRUST_PROXY: "1", KEEP_ALIVE_MS: "1500" } }, (hub) => {
      // The ratio of the page's 60 s and 75 s, shortened for the test.
      const configuration = DOCUMENTED.replace("keepalive 16;", "keepalive 16; keepalive_timeout 1s;");
      return withNginx(configuration, hub.url, async ({ certificate, origin }) => {
        const publish = () =>
          new Promise<number>((resolve, reject) => {
            const headers = { Authorization: `Bearer ${hub.serviceToken}`, "Content-Type": "application/json" };
            const path = `${origin}/v1/channels/${hub.taskChannel}/publish`;
            const call = request(path, { method: "POST", headers, ca: certificate.cert, agent: false });
            call.on("response", (response) => {
              response.resume();
              resolve(response.statusCode ?? 0);
            });
            call.on("error", reject);
            call.end('{"type":"note","payload":1}');
          });
        const statuses = new Set<number>();
        // Around nginx's own limit, which the hub's used to equal: each pause is a little longer than the one before.
        for (let pauseMs = 900; pauseMs <= 1_100; pauseMs += 25) {
          for (const status of await Promise.all([publish(), publish(), publish()])) statuses.add(status);
          const resumeAt = performance.now() + pauseMs;
          await until("the pause is over", () => performance.now() >= resumeAt);
        }
        equal([...statuses], [200]);
      });
    }),
  LIMIT_MS,
);

test("a path outside of the hub's is an error that names the server that answered", () =>
  withSite(BELOW_A_PATH, { BASE_PATH: "/realtime" }, "/realtime", async (hub, url, { certificate }) => {
    await withCli({ NODE_EXTRA_CA_CERTS: certificate.certFile }, async (cli) => {
      const wrong = await cli.run(["rpc", "projects.list", "--url", `${url}/wrong`, "--token", hub.userToken]);
      is(wrong.code, 3);
      match(wrong.stderr, /not from a hub \(HTTP 404\)/);
    });
  }));

test.run();
