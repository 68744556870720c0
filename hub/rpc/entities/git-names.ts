import { filledText, longText, text } from "../fields.ts";

const MAX_BRANCH = 100;
const MAX_ADDRESS = 2_048;
/** Sequences that Git rejects in a branch name. */
const NOT_IN_BRANCHES = /[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)/;

/** A branch name that Git accepts, and that a command line does not parse as an option. */
export const branch = filledText(MAX_BRANCH).refine(
  (name) => !NOT_IN_BRANCHES.test(name) && !/^[-./]|[./]$|^@$/.test(name),
  "must be a valid Git branch name",
);

/** The path of a folder on a workstation, in the format of its operating system. */
export const folder = longText.refine((path) => path.trim() !== "", "must not be empty");

const OWNER_AND_REPO = /^([A-Za-z0-9][A-Za-z0-9._-]{0,99})\/(?!\.+(?:git)?\/?$)([A-Za-z0-9._-]{1,100}?)(?:\.git)?\/?$/;
const SSH_SHORT = /^git@[A-Za-z0-9.-]+:(.*)$/;

/** The URL of a repository. Credentials in it are rejected, because all readers of the row would see them. */
export const repositoryUrl = text(MAX_ADDRESS).refine(
  (url) => ownerAndRepo(url) !== null,
  "must be like https://github.com/owner/repo or git@github.com:owner/repo.git, without a password or token",
);

export interface OwnerAndRepo {
  githubOwner: string;
  githubRepo: string;
}

/** The owner and name of the repository of a URL. Null if the URL is no repository's. */
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
