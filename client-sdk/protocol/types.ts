/** The grammar of publication types, and which of them only the hub and services may publish. */
export const TYPE_PATTERN = /^[a-z][a-z0-9_.:-]{0,63}$/;

const RESERVED = /^(?:task:(?:assign|cancel|reordered)|session:.*|[a-z][a-z0-9_]*:(?:created|updated|deleted))$/;

/** True for types that come from the hub and from services alone. */
export function isReservedType(type: string): boolean {
  return RESERVED.test(type);
}
