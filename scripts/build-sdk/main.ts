/**
 * Builds the contents of `@monster-realtime/client` into client-sdk/dist: `npm run build:sdk`, also run by `npm pack`. Nothing
 * in the repository needs it: everything here runs from the sources.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleBrowser, bundleCli } from "./bundles.ts";
import { emitModules } from "./modules.ts";
import { noticesOf } from "./notices.ts";
import { DIST, ROOT, SDK } from "./places.ts";
import { pageSizes } from "./sizes.ts";

rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST);
emitModules();
const bundles = [await bundleBrowser(join(DIST, "browser")), await bundleCli(join(DIST, "cli"))];
writeFileSync(join(DIST, "THIRD-PARTY-LICENSES.txt"), noticesOf(bundles));
copyFileSync(join(ROOT, "LICENSE"), join(SDK, "LICENSE"));

const { core, script } = await pageSizes();
// Not on stdout: `npm pack --json` writes there.
console.error(`With socket.io-client, compressed: createClient ${core} bytes, the script for pages ${script} bytes.`);
