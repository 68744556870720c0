/** Every key and channel of this program begins with it. */
const PROGRAM_PREFIX = "mr:";
/** Marks that a hub uses this Redis; older versions, which had no identities, know it alone. */
export const PROGRAM_KEY = `${PROGRAM_PREFIX}program`;

/**
 * The keys and channels of one database in a Redis that several databases may share. The identity stands before the hash
 * tag, so that a tag's slot in a cluster does not depend on it, and one pattern of an ACL covers them all.
 */
export class KeySpace {
  /** Every key and channel of the database begins with it. */
  readonly prefix: string;

  /** `identity`: of the database. */
  constructor(identity: string) {
    this.prefix = `${PROGRAM_PREFIX}${identity}:`;
  }

  /** A key or channel. All keys with one tag, which is most often a channel's name, share a slot. */
  key(tag: string, part: string): string {
    return `${this.prefix}{${tag}}:${part}`;
  }
}
