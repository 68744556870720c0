import { mkdir } from "node:fs/promises";
import { ConfigError } from "./config.ts";

/** Creates the hub's data folder. Throws `ConfigError` if that fails. */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
  } catch (error) {
    const problem = `${dataDir} can't be made (${(error as NodeJS.ErrnoException).code})`;
    throw new ConfigError([{ variable: "DATA_DIR", problem, remedy: "Set it to a folder that the hub may write" }]);
  }
}
