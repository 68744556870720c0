import type { EntityTable, Parameters } from "./table.ts";

/** Which rows a statement may see at all. `all` is for services of every organization alone. */
export type Scope =
  | { readonly kind: "all" }
  | { readonly kind: "organizations"; readonly ids: readonly string[] }
  | { readonly kind: "workstation"; readonly id: string };

/** The condition that keeps a statement within `scope`; a foreign row fails it just as one that does not exist. */
export function withinScope<Entity extends object>(
  table: EntityTable<Entity>,
  scope: Scope,
  parameters: Parameters,
): string {
  switch (scope.kind) {
    case "all":
      return table.visible;
    case "organizations":
      return `${table.visible} AND organizations.id = ANY(${parameters.add([...scope.ids])}::text[])`;
    case "workstation":
      return `${table.visible} AND ${table.readableBy(parameters.add(scope.id))}`;
  }
}
