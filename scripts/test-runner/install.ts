import type { Install } from "../../test/support/needs.ts";

/**
 * The shell command that installs all of these, with `sudo` unless it runs as root; null if nothing can be
 * installed. `stepsByHand` returns the manual steps.
 */
export function installCommand(installs: readonly Install[], root: boolean): string | null {
  const debian = installs.flatMap((install) => ("debian" in install ? install.debian : []));
  const npm = installs.flatMap((install) => ("npm" in install ? [install] : []));
  const asRoot = root ? "" : "sudo ";
  const commands = npm.map(({ npm: name, folder }) => `npm install --no-save --prefix ${folder} ${name}`);
  if (debian.length > 0) commands.unshift(`${asRoot}apt-get install -y --no-install-recommends ${debian.join(" ")}`);
  return commands.length === 0 ? null : commands.join(" && ");
}

export const stepsByHand = (installs: readonly Install[]): string[] =>
  installs.flatMap((install) => ("byHand" in install ? [install.byHand] : []));
