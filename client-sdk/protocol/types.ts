/** The grammar of publication types, and the types that only the hub and services may publish. */
export const TYPE_PATTERN = /^[a-z][a-z0-9_.:-]{0,63}$/;

const RESERVED = /^(?:task:(?:assign|cancel|reordered)|session:.*|change:left_out|.*:(?:created|updated|deleted))$/;

/** True for types that only the hub and services may publish. */
export function isReservedType(type: string): boolean {
  return RESERVED.test(type);
}

/** The prefixes of the hub's own publication ids. The change's number follows. */
const RESERVED_IDS = ["audit:", "work:"];

/** True for publication ids that only the hub assigns. */
export function isReservedId(id: string): boolean {
  return RESERVED_IDS.some((prefix) => id.startsWith(prefix));
}
