import { execFile } from "node:child_process";

/** Prints the answer of the system's resolver: an array of addresses, or the error's code. */
const SCRIPT = `require("node:dns").lookup(process.argv[1], { all: true }, (error, found) =>
  console.log(JSON.stringify(error ? error.code : found.map(({ address }) => address))))`;

/**
 * Returns a host's addresses from the system's resolver. Rejects with an error whose `code` is the resolver's, or
 * `TIMEOUT`. A lookup can't be cancelled, and a process can't exit while one is pending. This one runs in a child
 * process that can be killed.
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
