import { execFile } from "node:child_process";

/** Prints what the system's resolver answers: an array of addresses, or the error's code. */
const SCRIPT = `require("node:dns").lookup(process.argv[1], { all: true }, (error, found) =>
  console.log(JSON.stringify(error ? error.code : found.map(({ address }) => address))))`;

/**
 * The addresses of a host by the system's resolver. Rejects with an error whose `code` is the resolver's, or `TIMEOUT`.
 * A lookup can't be cancelled, and no process ends while one of its lookups is pending: this one runs in a process that
 * can be killed.
 */
export function lookupName(host: string, timeoutMs: number, signal: AbortSignal): Promise<string[]> {
  const env = { ...process.env, NODE_OPTIONS: "" };
  return new Promise((resolve, reject) => {
    const options = { env, timeout: timeoutMs, signal, killSignal: "SIGKILL" } as const;
    execFile(process.execPath, ["-e", SCRIPT, host], options, (error, stdout) => {
      if (signal.aborted) return reject(signal.reason);
      if (error) return reject(error.killed ? Object.assign(error, { code: "TIMEOUT" }) : error);
      const answer = JSON.parse(stdout) as string | string[];
      if (typeof answer === "string") reject(Object.assign(new Error(`${host}: ${answer}`), { code: answer }));
      else resolve(answer);
    });
  });
}
