/**
 * Every advisory lock with a fixed number. One number has one use: Postgres gives a lock by its number alone, for every
 * program that asks. Locks named by a hashed text (`hashtextextended`) stand beside their text.
 */
export const ADVISORY_LOCKS = {
  /** Lets one migration run at a time. */
  migrate: "7205759403792",
  /** The hub that serves: exclusive without Redis, shared with it. */
  serving: "7205759403794",
  /** Lets one `migrate:v2` run at a time. */
  migrateV2: "7205759403795",
  /** The claim of a deleted row that is to be removed. */
  purge: "7205759403796",
} as const;

/** The first half of locks that have two numbers; the second is a project's hash. Postgres keeps them apart from the others. */
export const ADVISORY_LOCK_PAIRS = {
  /** A round that gives tasks. */
  dispatch: 1_677_721,
} as const;
