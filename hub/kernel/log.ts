import { type Logger, pino } from "pino";

export type { Logger } from "pino";

const SECRETS = ["token", "*.token", "authorization", "*.authorization", "registrationToken", "*.registrationToken"];

/** Writes JSON lines to standard error, so that standard output stays for people. Redacts tokens. */
export function createLogger(level: string): Logger {
  return pino({ level, base: null, redact: { paths: SECRETS, censor: "[redacted]" } }, pino.destination(2));
}
