import { type Need, REQUIREMENTS, unmet } from "../../test/support/needs.ts";
import { installCommand, stepsByHand } from "./install.ts";
import { countByNeed, type Skip } from "./skips.ts";

/** The command that installs everything that the tests need and this machine lacks; null if there is nothing to install. */
export function missingInstalls(root: boolean): string | null {
  return installCommand(installsOf(unmet(Object.keys(REQUIREMENTS) as Need[])), root);
}

/** The skipped tests by missing requirement, and how to install it. */
export function skipSummary(skips: readonly Skip[], root: boolean): string[] {
  const byNeed = countByNeed(skips);
  const needs = byNeed.flatMap(([need]) => (need in REQUIREMENTS ? [need as Need] : []));
  const width = Math.max(...byNeed.map(([need]) => need.length));
  const command = installCommand(installsOf(needs), root);
  return [
    "Skipped, by what the tests need and this machine lacks:",
    ...byNeed.map(([need, tests]) => `  ${need.padEnd(width)}  ${tests} ${tests === 1 ? "test" : "tests"}`),
    ...(command === null ? [] : ["Install it, then run the tests again:", `  ${command}`]),
    ...stepsByHand(installsOf(needs)),
  ];
}

const installsOf = (needs: readonly Need[]) => needs.map((need) => REQUIREMENTS[need].install);
