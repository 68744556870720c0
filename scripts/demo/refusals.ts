import { RealtimeError } from "@monster-realtime/client";

/** Refusals that mean that another caller was faster, or the row no longer exists. */
const OVERTAKEN: ReadonlySet<string> = new Set(["conflict", "not_found"]);

/** Null if the hub reports that the call came too late. Throws all other errors. */
export async function unlessOvertaken<Result>(call: Promise<Result>, further: string[] = []): Promise<Result | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RealtimeError && (OVERTAKEN.has(error.code) || further.includes(error.code))) return null;
    throw error;
  }
}
