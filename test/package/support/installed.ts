import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { succeed } from "./run.ts";

export const ROOT = join(import.meta.dirname, "..", "..", "..");

/** The files of a user of the package: programs for Node, a page, and sources for compilers. */
const STRANGER = join(import.meta.dirname, "..", "stranger");

/** The packed package, and an empty project outside the workspace that installed it. */
export interface Installed {
  tarball: string;
  /** Paths in the tarball. */
  files: readonly string[];
  project: string;
  /** The package's folder in the project. */
  folder: string;
}

interface Packed {
  filename: string;
  files: { path: string }[];
}

let installed: Promise<Installed> | null = null;

/** Packed and installed once per process; removed at its end. */
export function theInstalled(): Promise<Installed> {
  installed ??= install();
  return installed;
}

async function install(): Promise<Installed> {
  const folder = mkdtempSync(join(tmpdir(), "package-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  cpSync(STRANGER, project, { recursive: true });
  const { filename, files } = await pack(folder);
  const tarball = join(folder, filename);
  await npm(["install", "--prefer-offline", "--no-audit", "--no-fund", tarball], project);
  const own = join(project, "node_modules", "@monster-realtime", "client");
  return { tarball, files: files.map(({ path }) => path), project, folder: own };
}

async function pack(destination: string): Promise<Packed> {
  const output = await npm(["pack", "--json", "--pack-destination", destination], join(ROOT, "client-sdk"));
  // The output of `prepack` comes first.
  const [packed] = JSON.parse(output.slice(output.lastIndexOf("\n[") + 1)) as Packed[];
  if (!packed) throw new Error(`npm pack printed no JSON: ${output}`);
  return packed;
}

const npm = (args: readonly string[], cwd: string) => succeed("npm", args, { cwd });

/** Links packages of this repository, with their dependencies, into the project, without a download. */
export function lend(project: string, ...packages: readonly string[]): void {
  for (const name of packages) {
    const link = join(project, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link)) symlinkSync(join(ROOT, "node_modules", name), link);
  }
}
