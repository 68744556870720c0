import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { equal, is, match, not, ok } from "uvu/assert";
import { bundleBrowser } from "../../scripts/build-sdk/bundles.ts";
import { browserTest, faultsOf, withBrowser } from "../support/browser.ts";
import { withHub } from "../support/hub.ts";
import { findNode22 } from "../support/needs.ts";
import { suite } from "../support/suite.ts";
import { complaints } from "./support/compiler.ts";
import { lend, ROOT, theInstalled } from "./support/installed.ts";
import { run, succeed } from "./support/run.ts";
import { withSite } from "./support/site.ts";

const test = suite("the published package");
const CORE_LIMIT_BYTES = 22 * 1024;
const IN_BROWSERS = ["client-sdk", "socket.io-client", "engine.io-client", "engine.io-parser", "socket.io-parser"];

const tool = (name: string, args: readonly string[]) =>
  succeed(process.execPath, [join(ROOT, "node_modules", name), ...args], { cwd: ROOT });
const packageOf = (input: string): string =>
  /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? input.split("/")[0] ?? "";

test("contains its code and documentation, and nothing else", async () => {
  const { files } = await theInstalled();
  const [inDist, besides] = [
    files.filter((file) => file.startsWith("dist/")),
    files.filter((file) => !file.startsWith("dist/")),
  ];
  equal(besides.sort(), ["LICENSE", "README.md", "package.json"]);
  const known =
    /^dist\/(?:cli\/[\w-]+\.js|browser\/monster-realtime\.min\.js|THIRD-PARTY-LICENSES\.txt|(?!cli\/|browser\/).*\.(?:d\.ts|js))$/;
  equal(
    inDist.filter((file) => !known.test(file)),
    [],
  );
}, 60_000);

test("passes publint and attw", async () => {
  const { tarball } = await theInstalled();
  match(await tool("publint/src/cli.js", ["run", tarball, "--strict"]), "All good!");
  await tool("@arethetypeswrong/cli/dist/index.js", ["--profile", "esm-only", tarball]);
});

test("installs only socket.io-client and its dependencies", async () => {
  const { project } = await theInstalled();
  const { packages } = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8"));
  const { dependencies } = packages["node_modules/@monster-realtime/client"];
  equal(Object.keys(dependencies), ["socket.io-client"]);
  is(packages["node_modules/react"], undefined);
});

test("has the version that the hub requires, so that the hub never installs another one from a registry", () => {
  const read = (folder: string) => JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  is(read("hub").dependencies["@monster-realtime/client"], read("client-sdk").version);
});

test("includes the licenses of its bundled packages", async () => {
  const { folder } = await theInstalled();
  const notices = readFileSync(join(folder, "dist", "THIRD-PARTY-LICENSES.txt"), "utf8");
  for (const name of ["socket.io-client", "engine.io-client", "commander", "cli-table3"]) match(notices, `${name} `);
  equal(readFileSync(join(folder, "LICENSE"), "utf8"), readFileSync(join(ROOT, "LICENSE"), "utf8"));
});

test("bundles for browsers only the SDK and Socket.IO: no zod, no hub code, no Node modules", async () => {
  const outdir = mkdtempSync(join(tmpdir(), "browser-"));
  try {
    const { inputs, outputs } = await bundleBrowser(outdir);
    const foreign = Object.keys(inputs).filter(
      (input) => ![...IN_BROWSERS, "@socket.io/component-emitter"].includes(packageOf(input)),
    );
    equal(foreign, []);
    const kept = /client-sdk\/(?:cli|react|workstation)\//;
    equal(
      Object.keys(inputs).filter((input) => kept.test(input)),
      [],
    );
    equal(
      Object.values(outputs).flatMap(({ imports }) => imports),
      [],
    );
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
  const { folder } = await theInstalled();
  const text = readFileSync(join(folder, "dist", "browser", "monster-realtime.min.js"), "utf8");
  not.match(text, /ZodError|node:|\brequire\(|\bprocess\.|\bBuffer\b|SELECT |DATABASE_URL|registration_token/);
});

/** The compressed size of a page's bundle with an import. */
async function bytesOf(contents: string): Promise<number> {
  const stdin = { contents, resolveDir: (await theInstalled()).project };
  const options = { bundle: true, minify: true, format: "esm", platform: "browser", write: false } as const;
  const { outputFiles } = await build({ stdin, ...options });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test("omits unused code from a page's bundle", async () => {
  const bytes = await bytesOf('export { parseChannel, taskChannel } from "@monster-realtime/client";');
  ok(bytes < 500, `${bytes} bytes`);
});

test(`adds at most ${CORE_LIMIT_BYTES} compressed bytes to a page, with socket.io-client`, async () => {
  const bytes = await bytesOf('export { createClient } from "@monster-realtime/client";');
  console.log(`core with socket.io-client: ${bytes} bytes of gzip`);
  ok(bytes > 10_000 && bytes <= CORE_LIMIT_BYTES, `${bytes} bytes`);
});

const NODES = [
  { name: `Node ${process.version}`, node: process.execPath, add: test },
  { name: "Node 22", node: findNode22() ?? "", add: test.needing("Node 22") },
];
for (const { name, node, add } of NODES) {
  add(`runs in ${name}`, () =>
    withHub({}, async (hub) => {
      const { project } = await theInstalled();
      const output = await succeed(node, ["program.js", hub.url, hub.userToken, hub.taskId], { cwd: project });
      equal(JSON.parse(output), ["hello", "function", true]);
    }),
  );
  add(`has a command line that runs in ${name}`, async () => {
    const { project } = await theInstalled();
    const cli = join(project, "node_modules", ".bin", "monster-realtime");
    const { version } = JSON.parse(readFileSync(join(ROOT, "client-sdk", "package.json"), "utf8"));
    is((await succeed(node, [cli, "--version"], { cwd: project })).trim(), version);
    match(await succeed(node, [cli, "--help"], { cwd: project }), /tail[\s\S]*publish[\s\S]*doctor/);
    is((await run(node, [cli, "explode"], { cwd: project })).exitCode, 2);
  });
}

test("has a command line that runs by its name", async () => {
  const { project } = await theInstalled();
  const output = await succeed(join(project, "node_modules", ".bin", "monster-realtime"), ["--version"], {
    cwd: project,
  });
  match(output, /^\d+\.\d+\.\d+\n$/);
});

browserTest(test, "runs in a page from a plain script tag, at an origin that the hub allows", async () => {
  const { project } = await theInstalled();
  await withSite(project, (origin) =>
    withHub({ env: { ALLOWED_ORIGINS: origin } }, (hub) =>
      withBrowser(async (browser) => {
        const page = await browser.newPage();
        const faults = faultsOf(page);
        await page.goto(`${origin}/page.html`);
        const call = `receive(${JSON.stringify(hub.url)}, ${JSON.stringify(hub.userToken)}, ${JSON.stringify(hub.taskId)})`;
        is(await page.evaluate(call), "hello");
        equal(await page.evaluate("Object.keys(globalThis).filter((name) => /monster/i.test(name))"), [
          "MonsterRealtime",
        ]);
        equal(faults, []);
      }),
    ),
  );
});

test("exports its entry points, and no internal files", async () => {
  const { project, folder } = await theInstalled();
  const { exports, publishConfig } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  equal(publishConfig, { access: "public" });
  equal(Object.keys(exports), [".", "./workstation", "./react", "./protocol", "./package.json"]);
  ok(readdirSync(join(folder, "dist", "kernel")).includes("errors.js"));
  const program = 'import("@monster-realtime/client/dist/kernel/errors.js").catch(({ code }) => console.log(code))';
  match(await succeed(process.execPath, ["-e", program], { cwd: project }), "ERR_PACKAGE_PATH_NOT_EXPORTED");
});

for (const resolution of ["node16", "bundler"] as const) {
  for (const place of ["browsers", "Node"] as const) {
    test(`has types that compile under ${resolution} with only the types of ${place}, and reject invalid code`, async () => {
      const { project } = await theInstalled();
      if (place === "Node") lend(project, "@types/node", "undici-types");
      is(await complaints(project, { resolution, place }, "typed.ts", "wrong.ts"), "");
    });
  }
}

test("needs the types of React only for ./react", async () => {
  const { project } = await theInstalled();
  match(
    await complaints(project, { resolution: "bundler", place: "browsers" }, "app.tsx"),
    "Cannot find module 'react",
  );
  lend(project, "react", "@types/react", "csstype");
  for (const resolution of ["node16", "bundler"] as const) {
    is(await complaints(project, { resolution, place: "browsers" }, "app.tsx"), "");
  }
});

test("has types that older compilers accept", async () => {
  const { project } = await theInstalled();
  lend(project, "react", "@types/react", "csstype");
  const older = { resolution: "node16", place: "browsers", compiler: "TypeScript 5" } as const;
  is(await complaints(project, older, "typed.ts", "wrong.ts", "app.tsx"), "");
});

test("renders its hooks on servers, and marks them for browsers", async () => {
  const { project, folder } = await theInstalled();
  match(readFileSync(join(folder, "dist", "react", "index.js"), "utf8"), /^(?:\/\/.*\n)*"use client";/);
  lend(project, "react", "react-dom");
  is((await succeed(process.execPath, ["server-side.js"], { cwd: project })).trim(), "idle 0 0 null");
});

test("has no internal members in its types", async () => {
  const { folder, files } = await theInstalled();
  const withInternals = files.filter(
    (file) => file.endsWith(".d.ts") && /@internal/.test(readFileSync(join(folder, file), "utf8")),
  );
  equal(withInternals, []);
});

test.run();
