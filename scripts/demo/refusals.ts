import { RealtimeError } from "@monster-realtime/client";

/** Refusals that mean: somebody else was faster, or it is gone. */
const OVERTAKEN: ReadonlySet<string> = new Set(["conflict", "not_found"]);

/** Null where the hub says that the moment for this call is over. Throws whatever else is in the way. */
export async function unlessOvertaken<Result>(call: Promise<Result>, further: string[] = []): Promise<Result | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RealtimeError && (OVERTAKEN.has(error.code) || further.includes(error.code))) return null;
    throw error;
  }
}
