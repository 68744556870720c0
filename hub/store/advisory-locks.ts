/**
 * Every advisory lock with a fixed number. Each number has one use, because Postgres identifies a lock by its number alone
 * for all programs. Locks whose number is a hashed text (`hashtextextended`) are defined beside that text.
 */
export const ADVISORY_LOCKS = {
  /** Lets one migration run at a time. */
  migrate: "7205759403792",
  /** The serving hub: exclusive without Redis, shared with it. */
  serving: "7205759403794",
  /** Lets one `migrate:v2` run at a time. */
  migrateV2: "7205759403795",
  /** The claim on a deleted row that is about to be removed. */
  purge: "7205759403796",
} as const;

/** The first half of locks with two numbers; the second is a project's hash. Postgres keeps them apart from single numbers. */
export const ADVISORY_LOCK_PAIRS = {
  /** A round of task dispatch. */
  dispatch: 1_677_721,
} as const;
