/** The prefix of every key and channel of this program. */
const PROGRAM_PREFIX = "mr:";
/** Marks that a hub uses this Redis. Older versions, which had no identities, use this key alone. */
export const PROGRAM_KEY = `${PROGRAM_PREFIX}program`;

/**
 * The keys and channels of one database in a Redis that several databases may share. The identity precedes the hash tag,
 * so that a tag's slot in a cluster does not depend on it, and one ACL pattern covers all keys.
 */
export class KeySpace {
  /** The prefix of every key and channel of the database. */
  readonly prefix: string;

  /** `identity`: the database's. */
  constructor(identity: string) {
    this.prefix = `${PROGRAM_PREFIX}${identity}:`;
  }

  /** A key or channel. All keys with one tag, which is usually a channel's name, share a slot. */
  key(tag: string, part: string): string {
    return `${this.prefix}{${tag}}:${part}`;
  }
}
