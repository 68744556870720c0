import { type Suffering, Victims, type VictimsOptions } from "../attacks/victims.ts";

/** The victims of an attack, in a process without attackers. */
export class VictimLoad {
  readonly #localAddress: string;
  readonly #victims = new Victims();

  constructor(localAddress: string) {
    this.#localAddress = localAddress;
  }

  connect(options: Omit<VictimsOptions, "localAddress">): Promise<void> {
    return this.#victims.connect({ ...options, localAddress: this.#localAddress });
  }

  work({ durationMs }: { durationMs: number }): Promise<Suffering> {
    return this.#victims.work(new Promise((resolve) => setTimeout(resolve, durationMs)));
  }
}
