import type { Client, RealtimeError } from "../../index.ts";
import type { Welcome } from "../../protocol/index.ts";

/** What a check found. `measured` says what was seen, `remedy` what to do about it. */
export interface Finding {
  status: "ok" | "warn" | "fail";
  measured: string;
  remedy?: string;
}

/** A finding with its check, or why there is none. */
export interface Diagnosis {
  check: string;
  title: string;
  status: Finding["status"] | "skipped";
  measured: string;
  remedy: string | null;
  /** How long it took. */
  ms: number;
}

/** The hub that is looked at, and what earlier checks learned of it. */
export interface Patient {
  readonly url: URL;
  /** Null where none was given. */
  readonly token: string | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Connects once; every check that asks sees the same outcome. */
  handshake(): Promise<Handshake>;
}

export type Handshake =
  | { name: "welcomed"; client: Client; welcome: Welcome; receivedAt: number }
  | { name: "refused"; error: RealtimeError };

/** One thing that may be wrong. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Checks that must not have failed or been skipped before this one means anything. */
  readonly needs: readonly string[];
  /** One finding, or several: each is reported by itself. Does not reject for a fault of the hub: a fault is a finding. */
  run(patient: Patient): Promise<Finding | readonly Finding[]>;
}

/** Runs checks in their order and reports each diagnosis as it comes. Rejects only with the reason of an aborted signal. */
export async function examine(
  checks: readonly Check[],
  patient: Patient,
  listener: { begins(check: Check): void; found(diagnosis: Diagnosis): void },
): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  for (const check of checks) {
    patient.signal.throwIfAborted();
    const obstacle = diagnoses.find(({ check: id, status }) => check.needs.includes(id) && hinders(status));
    if (!obstacle) listener.begins(check);
    const found = obstacle ? [skipped(check, obstacle)] : await diagnose(check, patient);
    diagnoses.push(...found);
    for (const diagnosis of found) listener.found(diagnosis);
  }
  return diagnoses;
}

const hinders = (status: Diagnosis["status"]): boolean => status === "fail" || status === "skipped";

function skipped({ id, title }: Check, { title: obstacle }: Diagnosis): Diagnosis {
  return { check: id, title, status: "skipped", measured: `not looked at: ${obstacle} first`, remedy: null, ms: 0 };
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

/** A check that breaks down has found something too. */
function unexpected(error: unknown, { signal }: Patient): Finding {
  signal.throwIfAborted();
  const message = error instanceof Error ? error.message : String(error);
  return { status: "fail", measured: message, remedy: "Try again; look into the hub's log if it stays so." };
}

export const ok = (measured: string): Finding => ({ status: "ok", measured });
export const warn = (measured: string, remedy: string): Finding => ({ status: "warn", measured, remedy });
export const fail = (measured: string, remedy: string): Finding => ({ status: "fail", measured, remedy });

/** Milliseconds for eyes. */
export const inMs = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
