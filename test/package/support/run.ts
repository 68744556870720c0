import { execFile } from "node:child_process";

export interface Ended {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end and returns its exit code and output. */
export function run(program: string, args: readonly string[], { cwd }: { cwd: string }): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: 16_000_000 }, (error, stdout, stderr) =>
      resolve({ exitCode: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });
}

/** Runs a program that must succeed. Throws its output if it fails. */
export async function succeed(program: string, args: readonly string[], options: { cwd: string }): Promise<string> {
  const { exitCode, stdout, stderr } = await run(program, args, options);
  if (exitCode !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${exitCode}:\n${stdout}\n${stderr}`);
  return stdout;
}
