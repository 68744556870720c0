/** The grammar of publication types, and which of them only the hub and services may publish. */
export const TYPE_PATTERN = /^[a-z][a-z0-9_.:-]{0,63}$/;

const RESERVED = /^(?:task:(?:assign|cancel|reordered)|session:.*|change:left_out|.*:(?:created|updated|deleted))$/;

/** True for types that come from the hub and from services alone. */
export function isReservedType(type: string): boolean {
  return RESERVED.test(type);
}

/** What the hub's own ids of publications begin with: the change's number follows. */
const RESERVED_IDS = ["audit:", "work:"];

/** True for ids of publications that the hub alone gives. */
export function isReservedId(id: string): boolean {
  return RESERVED_IDS.some((prefix) => id.startsWith(prefix));
}
