import type { Touched } from "../auth/facts.ts";
import type { RightsChange } from "./change.ts";

type Concerned = (change: RightsChange) => (Touched | null)[];

const row =
  (entity: Touched["entity"]): Concerned =>
  ({ rowId }) => [{ entity, id: rowId }];

/** Table → the entities whose rights depend on its rows. */
const CONCERNED: ReadonlyMap<string, Concerned> = new Map([
  ["organizations", row("organization")],
  ["users", row("user")],
  ["workstations", row("workstation")],
  ["projects", row("project")],
  ["tasks", row("task")],
  ["organization_memberships", ({ userId }) => [userId === null ? null : { entity: "user", id: userId }]],
  [
    "project_workstations",
    ({ workstationId }) => [workstationId === null ? null : { entity: "workstation", id: workstationId }],
  ],
]);

/** The entities whose rights these changes may have given or taken, each once. */
export function touchedBy(changes: readonly RightsChange[]): Touched[] {
  const touched = changes.flatMap((change) => CONCERNED.get(change.entity)?.(change) ?? []);
  const distinct = new Map(touched.flatMap((one) => (one ? [[`${one.entity} ${one.id}`, one] as const] : [])));
  return [...distinct.values()];
}
