import type { EventEmitter } from "node:events";

/** An organization's own people, who attack: nothing of another tenant is theirs. */
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
  /** An issuer on loopback that the hub trusts, and whose keys the attackers don't have. */
  remoteIssuer: string;
}

/** An attacker during an attack, who counts what the hub does. */
export interface Striker extends Attacker {
  /**
   * Counts a sighting: `connected`, `ok`, an error code, `status 413`, `closed 1009`, `answered` (bytes on a bare connection),
   * `reset`, `sent` (packets).
   */
  saw(sighting: string, count?: number): void;
}

/** How often each sighting has to be made, or the attack did not happen. */
export type Sightings = Readonly<Record<string, number>>;

/** One attack of the reliability rules; the benchmark measures it, and a test runs it with a small load. */
export interface Attack {
  name: string;
  description: string;
  /** How many strike at the same time: in a test, and in the benchmark. */
  lanes: { test: number; bench: number };
  /** What the attackers must see at least, all together. */
  observes: Sightings;
  /** The attack is made of failed handshakes or calls, for which the hub limits the attackers' address by design. */
  limitsAddress?: true;
  /** The effect builds up over the limits of seconds (shares, pauses): the benchmark measures it for longer. */
  builds?: true;
  /** Strikes once, within about a second. Rejects if the hub refuses it, which is what a hub may do. */
  strike(striker: Striker): Promise<void>;
}

export interface StrikeOptions {
  lanes: number;
  /** Strikes of each lane; without it they go on until `signal` aborts. */
  strikes?: number;
  signal?: AbortSignal;
}

/** What became of an attack. */
export interface Struck {
  strikes: number;
  refused: number;
  /** What the hub said to the first refused strike. */
  refusal: string | null;
  seen: Sightings;
}

/** Strikes in all lanes at once, one strike after the other in each. */
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
      // A hub that refuses at once is not asked in a closed circle, which would measure this process.
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

/** Resolves when the event comes, or after `limitMs`. */
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
