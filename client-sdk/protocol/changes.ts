/**
 * The payload of `<entity>:created|updated|deleted`: what a committed change did to a row. Every change is published once
 * on each channel it concerns, whoever made it; changes of one row in the order of their commits.
 */
export interface EntityChange<Row extends object = Record<string, unknown>> {
  id: string;
  organizationId: string | null;
  projectId: string | null;
  /** The fields that changed with their new values; all of a created row; none of a deleted one. */
  changed: Partial<Row>;
  /** Fields that changed too, whose values are larger than 8 KiB: read them by RPC. */
  omitted: string[];
}
