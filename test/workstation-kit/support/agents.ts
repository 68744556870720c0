import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseResults } from "../../../client-sdk/workstation/results-file.ts";
import { AgentProcess } from "./agent-process.ts";
import { type Scene, withScene } from "./scene.ts";

/** A scene whose workstations are programs that can be killed. */
export interface AgentScene extends Scene {
  resultsFile: string;
  /** The agent program, ended with the test. */
  run(options?: Record<string, unknown>, env?: Record<string, string>): AgentProcess;
}

export function withAgents(body: (scene: AgentScene) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "kit-"));
  const agents: AgentProcess[] = [];
  const resultsFile = join(folder, "results");
  return withScene((scene) => {
    const { hub, proxy } = scene;
    const run = (options: Record<string, unknown> = {}, env: Record<string, string> = {}) => {
      const agent = new AgentProcess({ url: proxy.url, token: hub.workstation.token, resultsFile, ...options }, env);
      agents.push(agent);
      return agent;
    };
    return body({ ...scene, resultsFile, run });
  }).finally(async () => {
    await Promise.all(agents.map((agent) => agent.end()));
    rmSync(folder, { recursive: true, force: true });
  });
}

/** The results in the file that the hub has not acknowledged. */
export const pendingIn = async (file: string) => parseResults(await readFile(file, "utf8"), file).results;
