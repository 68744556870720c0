import type { StepReply, StepRequest } from "./load-process.ts";
import { isLoadName, LOADS } from "./loads.ts";

type Steps = Record<string, ((options: unknown) => Promise<unknown>) | undefined>;

const [name = "", localAddress = "127.0.0.1"] = process.argv.slice(2);
if (!isLoadName(name)) throw new Error(`${name} is not a load; loads.ts lists them`);
const load = new LOADS[name](localAddress) as unknown as Steps;

process.on("message", async ({ id, step, options }: StepRequest) => {
  const reply = await run(step, options).then(
    (result): StepReply => ({ id, result }),
    (error: unknown): StepReply => ({
      id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }),
  );
  process.send?.(reply);
});
process.on("disconnect", () => process.exit(0));
if (!process.connected) process.exit(0);

async function run(step: string, options: unknown): Promise<unknown> {
  const method = load[step];
  if (typeof method !== "function") throw new Error(`the load ${name} has no step ${step}`);
  return method.call(load, options);
}
