/** What a row belongs to, kept with each change of it. */
export interface ChangeScope {
  organizationId: string | null;
  projectId: string | null;
  taskId: string | null;
  workstationId: string | null;
  userId: string | null;
}

/** A committed change that rights hang on. */
export interface RightsChange extends ChangeScope {
  /** The table. */
  entity: string;
  rowId: string;
}

/** A committed change as the audit trail has it: names and values are the database's. */
export interface Change extends ChangeScope {
  /** The audit event's, a number in decimal digits. */
  id: string;
  /** `user:<id>`, `workstation:<id>`, `service:<name>` or `db:<role>`. */
  principal: string;
  entity: string;
  rowId: string;
  operation: "created" | "updated" | "deleted" | "reordered";
  /** The project an updated row was taken out of; null where it stayed. */
  formerProjectId: string | null;
  /** The columns that changed, or the whole row that was created; without values that are too large. */
  after: Record<string, unknown> | null;
  /** Columns whose values were too large. */
  omitted: string[];
  /** The row of a deleted session. */
  removed: Record<string, unknown> | null;
  /** The projects that a workstation is attached to. */
  attachedTo: string[];
}
