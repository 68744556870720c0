import { filledText, longText, text } from "../fields.ts";

const MAX_BRANCH = 100;
const MAX_ADDRESS = 2_048;
/** What Git refuses anywhere in the name of a branch. */
const NOT_IN_BRANCHES = /[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)/;

/** The name of a branch that Git takes, and that no command line takes for an option. */
export const branch = filledText(MAX_BRANCH).refine(
  (name) => !NOT_IN_BRANCHES.test(name) && !/^[-./]|[./]$|^@$/.test(name),
  "must be a name that Git takes for a branch",
);

/** The path of a folder on a workstation, in whatever form its system has. */
export const folder = longText.refine((path) => path.trim() !== "", "must not be empty");

const OWNER_AND_REPO = /^([A-Za-z0-9][A-Za-z0-9._-]{0,99})\/(?!\.+(?:git)?\/?$)([A-Za-z0-9._-]{1,100}?)(?:\.git)?\/?$/;
const SSH_SHORT = /^git@[A-Za-z0-9.-]+:(.*)$/;

/** The address of a repository. A password or token in it would be told to everybody who may read the row. */
export const repositoryUrl = text(MAX_ADDRESS).refine(
  (url) => ownerAndRepo(url) !== null,
  "must be like https://github.com/owner/repo or git@github.com:owner/repo.git, without a password or token",
);

export interface OwnerAndRepo {
  githubOwner: string;
  githubRepo: string;
}

/** Whose repository an address names, and which; null where it names none. */
export function ownerAndRepo(url: string): OwnerAndRepo | null {
  const [, githubOwner, githubRepo] = OWNER_AND_REPO.exec(pathOf(url) ?? "") ?? [];
  return githubOwner !== undefined && githubRepo !== undefined ? { githubOwner, githubRepo } : null;
}

function pathOf(url: string): string | null {
  const [, short] = SSH_SHORT.exec(url) ?? [];
  if (short !== undefined) return short;
  if (!/^(?:https?|ssh):\/\//i.test(url) || !URL.canParse(url)) return null;
  const { protocol, username, password, pathname, search, hash } = new URL(url);
  const nameless = username === "" || (protocol === "ssh:" && username === "git");
  return nameless && password === "" && search === "" && hash === "" ? pathname.slice(1) : null;
}
