import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "..", "..");
export const SDK = join(ROOT, "client-sdk");
export const DIST = join(SDK, "dist");
