import { type Logger, pino } from "pino";

export type { Logger } from "pino";

const SECRETS = ["token", "*.token", "authorization", "*.authorization", "registrationToken", "*.registrationToken"];

/** JSON lines on standard error, so that standard output stays for people. Tokens never reach it. */
export function createLogger(level: string): Logger {
  return pino({ level, base: null, redact: { paths: SECRETS, censor: "[redacted]" } }, pino.destination(2));
}
