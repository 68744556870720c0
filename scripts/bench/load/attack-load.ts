import { setPriority } from "node:os";
import { type Attacker, attackWith, type Struck } from "../attacks/attack.ts";
import { attackNamed } from "../attacks/index.ts";

/** Lower priority than the victims, who share the attackers' core: the bench measures the hub's effect on them. */
const NICE = 10;

export interface AttackOptions {
  attack: string;
  attacker: Omit<Attacker, "localAddress">;
  durationMs: number;
}

/** Attackers with the lanes that an attack has in the benchmark. */
export class AttackLoad {
  readonly #localAddress: string;

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
    setPriority(NICE);
  }

  /** Attacks for that long, and resolves with the result. */
  run({ attack, attacker, durationMs }: AttackOptions): Promise<Struck> {
    const { lanes } = attackNamed(attack);
    const signal = AbortSignal.timeout(durationMs);
    const at = { ...attacker, localAddress: this.#localAddress };
    return attackWith(attackNamed(attack), at, { lanes: lanes.bench, signal });
  }
}
