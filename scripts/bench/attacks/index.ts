import type { Attack } from "./attack.ts";
import { CONNECTION_ATTACKS } from "./connection-attacks.ts";
import { FRAME_ATTACKS } from "./frame-attacks.ts";
import { SHARE_ATTACKS } from "./share-attacks.ts";

/** Every attack, in the order in which they are measured. */
export const ATTACKS: readonly Attack[] = [...FRAME_ATTACKS, ...CONNECTION_ATTACKS, ...SHARE_ATTACKS];

/** The attack of that name; throws if there is none. */
export function attackNamed(name: string): Attack {
  const attack = ATTACKS.find((one) => one.name === name);
  if (!attack)
    throw new Error(`There is no attack ${name}. Choose one of ${ATTACKS.map((one) => one.name).join(", ")}.`);
  return attack;
}
