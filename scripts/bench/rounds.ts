import type { BenchContext } from "./bench-case.ts";
import type { Sample } from "./outcome.ts";

/**
 * Measures ours and the peer's in turn, A B A B …: changes on the machine in between affect both.
 * Every measurement yields one number for each figure, in the order of the figures.
 */
export async function inTurn(
  { rounds, progress }: BenchContext,
  measureOurs: () => Promise<number[]>,
  measurePeer: () => Promise<number[]>,
): Promise<Sample[][]> {
  const samples: Sample[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const ours = await measureOurs();
    const peers = await measurePeer();
    for (const [figure, value] of ours.entries()) {
      samples[figure] ??= [];
      samples[figure].push({ ours: value, peer: peers[figure] ?? Number.NaN });
    }
    progress(`round ${round} of ${rounds}: ours ${ours.map(shown).join(", ")}; peer ${peers.map(shown).join(", ")}`);
  }
  return samples;
}

const shown = (value: number): string => value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
