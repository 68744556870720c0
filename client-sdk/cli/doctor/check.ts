import type { Client, RealtimeError } from "../../index.ts";
import type { Welcome } from "../../protocol/index.ts";

/** The result of a check: `measured` is the observation, `remedy` the advice. */
export interface Finding {
  status: "ok" | "warn" | "fail";
  measured: string;
  remedy?: string;
}

/** A finding with its check, or the reason why the check was skipped. */
export interface Diagnosis {
  check: string;
  title: string;
  status: Finding["status"] | "skipped";
  measured: string;
  remedy: string | null;
  /** The duration of the check. */
  ms: number;
}

/** The hub under test, and shared results of earlier checks. */
export interface Patient {
  readonly url: URL;
  /** Null if none was given. */
  readonly token: string | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Connects once. All checks share the outcome. */
  handshake(): Promise<Handshake>;
}

export type Handshake =
  | { name: "welcomed"; client: Client; welcome: Welcome; receivedAt: number }
  | { name: "refused"; error: RealtimeError };

/** One check. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Checks that must have passed before this one is useful. */
  readonly needs: readonly string[];
  /** Returns one finding or several, each reported separately. A fault of the hub is a finding, not a rejection. */
  run(patient: Patient): Promise<Finding | readonly Finding[]>;
}

/**
 * Runs the checks in order and reports each diagnosis immediately. Rejects only with the reason of an aborted signal.
 */
export async function examine(
  checks: readonly Check[],
  patient: Patient,
  listener: { begins(check: Check): void; found(diagnosis: Diagnosis): void },
): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  for (const check of checks) {
    patient.signal.throwIfAborted();
    const failed = diagnoses.find(({ check: id, status }) => check.needs.includes(id) && hinders(status));
    if (!failed) listener.begins(check);
    const found = failed ? [skipped(check, failed)] : await diagnose(check, patient);
    diagnoses.push(...found);
    for (const diagnosis of found) listener.found(diagnosis);
  }
  return diagnoses;
}

const hinders = (status: Diagnosis["status"]): boolean => status === "fail" || status === "skipped";

function skipped({ id, title }: Check, { title: required }: Diagnosis): Diagnosis {
  return { check: id, title, status: "skipped", measured: `skipped: requires ${required}`, remedy: null, ms: 0 };
}

async function diagnose(check: Check, patient: Patient): Promise<Diagnosis[]> {
  const begun = performance.now();
  const findings = await check.run(patient).catch((error: unknown) => unexpected(error, patient));
  const ms = performance.now() - begun;
  const { id, title } = check;
  return [findings]
    .flat()
    .map(({ status, measured, remedy = null }) => ({ check: id, title, status, measured, remedy, ms }));
}

/** Turns an unexpected error of a check into a finding. */
function unexpected(error: unknown, { signal }: Patient): Finding {
  signal.throwIfAborted();
  const message = error instanceof Error ? error.message : String(error);
  return { status: "fail", measured: message, remedy: "Try again. If it persists, check the hub's log." };
}

/** Returns the connection and its welcome. Rejects with the hub's refusal. */
export async function welcomed(patient: Patient) {
  const handshake = await patient.handshake();
  if (handshake.name === "refused") throw handshake.error;
  return handshake;
}

export const ok = (measured: string): Finding => ({ status: "ok", measured });
export const warn = (measured: string, remedy: string): Finding => ({ status: "warn", measured, remedy });
export const fail = (measured: string, remedy: string): Finding => ({ status: "fail", measured, remedy });
