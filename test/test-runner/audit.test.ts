import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { equal, match } from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("the audit of packages in CI");
const AUDIT = join(import.meta.dirname, "../../.ci/audit");
const LIMIT_MS = 60_000;

/** Runs the script with a registry of loopback. */
async function audited(registry: RequestListener): Promise<{ code: number | null; output: string }> {
  const server = createServer(registry).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const script = spawn(AUDIT, { env: { ...process.env, npm_config_registry: url, npm_config_cache: "/dev/null" } });
    let output = "";
    for (const stream of [script.stdout, script.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const [code] = (await once(script, "close")) as [number | null];
    return { code, output };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** A registry that knows these advisories, and has no packages. */
const knowing =
  (advisories: object): RequestListener =>
  ({ method, url }, response) => {
    const isAudit = method === "POST" && url === "/-/npm/v1/security/advisories/bulk";
    response.writeHead(isAudit ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(isAudit ? advisories : {}));
  };
const advisory = (severity: string) => ({
  "socket.io": [
    { id: 1, url: "https://advisories.test/1", title: "A hole", severity, vulnerable_versions: "*", cwe: [], cvss: {} },
  ],
});

test(
  "a registry that knows no vulnerability passes",
  async () => {
    const { code, output } = await audited(knowing({}));
    equal(code, 0, output);
    match(output, /no known vulnerability/);
  },
  LIMIT_MS,
);

for (const severity of ["high", "critical"])
  test(
    `a vulnerability of ${severity} severity fails, by name`,
    async () => {
      const { code, output } = await audited(knowing(advisory(severity)));
      equal(code, 1, output);
      match(output, /socket\.io/);
      match(output, /FAILED/);
    },
    LIMIT_MS,
  );

test(
  "a vulnerability of moderate severity passes",
  async () => equal((await audited(knowing(advisory("moderate")))).code, 0),
  LIMIT_MS,
);

test(
  "a registry that does not answer audits passes, and a line says that nothing was checked",
  async () => {
    const { code, output } = await audited((_, response) => {
      response.writeHead(405).end();
    });
    equal(code, 0, output);
    match(output, /NOT CHECKED/);
  },
  LIMIT_MS,
);

test.run();
