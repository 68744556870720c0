import type { EventEmitter } from "node:events";

/** The attackers: members of an organization without access to other tenants. */
export interface Attacker {
  /** `http://127.0.0.1:4000`. */
  url: string;
  /** The loopback address to connect from. */
  localAddress: string;
  /** The owner of the attackers' organization. */
  userToken: string;
  workstationToken: string;
  workstationId: string;
  organizationId: string;
  projectId: string;
  /** An issuer on loopback that the hub trusts. The attackers don't have its keys. */
  remoteIssuer: string;
}

/** An attacker during an attack. It counts the hub's reactions. */
export interface Striker extends Attacker {
  /**
   * Counts an observation: `connected`, `ok`, an error code, `status 413`, `closed 1009`, `answered` (bytes on a bare connection),
   * `reset`, `sent` (packets).
   */
  saw(sighting: string, count?: number): void;
}

/** How often each observation must be made; otherwise the attack did not happen. */
export type Sightings = Readonly<Record<string, number>>;

/** One attack of the reliability rules. The benchmark measures it, and a test runs it with a small load. */
export interface Attack {
  name: string;
  description: string;
  /** Number of concurrent lanes: in a test, and in the benchmark. */
  lanes: { test: number; bench: number };
  /** The minimum observations of all attackers together. */
  observes: Sightings;
  /** The attack consists of failed handshakes or calls, for which the hub limits the attackers' address by design. */
  limitsAddress?: true;
  /** The effect builds up over limits of seconds (shares, pauses): the benchmark measures it for longer. */
  builds?: true;
  /** Strikes once, within about a second. Rejects if the hub refuses the strike, which is allowed. */
  strike(striker: Striker): Promise<void>;
}

export interface StrikeOptions {
  lanes: number;
  /** Strikes of each lane; without it the lanes continue until `signal` aborts. */
  strikes?: number;
  signal?: AbortSignal;
}

/** The result of an attack. */
export interface Struck {
  strikes: number;
  refused: number;
  /** The hub's message for the first refused strike. */
  refusal: string | null;
  seen: Sightings;
}

/** Runs all lanes concurrently; each lane strikes sequentially. */
export async function attackWith(
  attack: Attack,
  attacker: Attacker,
  { lanes, strikes = Number.POSITIVE_INFINITY, signal }: StrikeOptions,
): Promise<Struck> {
  const counts = new Map<string, number>();
  const saw = (sighting: string, count = 1) => void counts.set(sighting, (counts.get(sighting) ?? 0) + count);
  const struck = { strikes: 0, refused: 0, refusal: null as string | null };
  const lane = async () => {
    for (let turn = 0; turn < strikes && !signal?.aborted; turn += 1) {
      struck.strikes += 1;
      await attack.strike({ ...attacker, saw }).catch((error: unknown) => {
        struck.refused += 1;
        struck.refusal ??= String(error);
      });
      // After an immediate refusal, wait: a busy loop would measure this process.
      await pause(10);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { ...struck, seen: Object.fromEntries(counts) };
}

/** Why the attack did not happen; null: it did. */
export function missed({ name, observes }: Attack, { seen, strikes, refused, refusal }: Struck): string | null {
  const missing = Object.entries(observes).filter(([sighting, least]) => (seen[sighting] ?? 0) < least);
  if (missing.length === 0) return null;
  const wanted = missing
    .map(([sighting, least]) => `"${sighting}" ${seen[sighting] ?? 0} of ${least} times`)
    .join(", ");
  return `The attack ${name} did not happen: its ${strikes} strikes saw ${wanted}. Seen: ${JSON.stringify(seen)}; ${refused} strikes were refused, the first by ${refusal}.`;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when the event occurs, or after `limitMs`. */
export function eventOr(emitter: EventEmitter, event: string, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      emitter.off(event, done);
      resolve();
    };
    const timer = setTimeout(done, limitMs);
    emitter.once(event, done);
  });
}
