import { z } from "zod";
import type { Column } from "./entity.ts";

const MAX_TEXT_BYTES = 256 * 1024;

/** Text of at most `max` characters. */
export const short = (max: number) => z.string().min(1).max(max);
/** Long text; Postgres has no bound, the hub has one. */
export const long = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= MAX_TEXT_BYTES, `may have ${MAX_TEXT_BYTES} bytes`);
export const slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$/, "must be small letters, digits and hyphens, at most 100");

/** Columns by the protocol's names: `columns("organizationId")` is organization_id. */
export function columns(...fields: string[]): Record<string, Column> {
  return Object.fromEntries(fields.map((field) => [field, { column: snake(field) }]));
}

export function jsonColumns(...fields: string[]): Record<string, Column> {
  return Object.fromEntries(fields.map((field) => [field, { column: snake(field), json: true as const }]));
}

function snake(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
