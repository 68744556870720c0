import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The type of a protocol field, as far as it can be compared with a column. */
export interface FieldType {
  kind: "text" | "number" | "boolean" | "array" | "object" | "enum";
  nullable: boolean;
  /** The values of an enum, in alphabetical order. */
  values: readonly string[];
}

const FOLDER = join(import.meta.dirname, "../../client-sdk/protocol/entities");

/**
 * The row types of the protocol, entity → field → type, parsed from their text, because types do not exist at run time.
 * Supports the syntax of the protocol's files: flat interfaces, unions, `Open<…>`, aliases. Throws for anything else.
 */
export function rowTypes(): Map<string, Map<string, FieldType>> {
  const text = readdirSync(FOLDER)
    .map((file) => readFileSync(join(FOLDER, file), "utf8"))
    .join("\n")
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const entities = [...text.matchAll(/Prefixed<\s*"(\w+)",\s*(?:Unversioned)?Crud<\s*(\w+)/g)];
  return new Map(entities.map(([, entity = "", row = ""]) => [entity, fieldsOf(text, row)]));
}

function fieldsOf(text: string, row: string): Map<string, FieldType> {
  const body = new RegExp(`^export interface ${row} \\{\\n([\\s\\S]*?)^\\}`, "m").exec(text)?.[1];
  if (body === undefined) throw new Error(`no interface ${row}`);
  const fields = [...body.matchAll(/^ {2}(\w+)(\??): ([\s\S]*?);$/gm)];
  return new Map(
    fields.map(([, name = "", optional, type = ""]) => {
      if (optional) throw new Error(`${row}.${name} is optional: rows have all their fields`);
      return [name, typeOf(text, type)];
    }),
  );
}

function typeOf(text: string, type: string): FieldType {
  const parts = unionOf(type);
  const nullable = parts.includes("null");
  const others = parts.filter((part) => part !== "null");
  const [only = "", ...more] = others;
  if (others.every((part) => /^".*"$/.test(part)))
    return { kind: "enum", nullable, values: others.map((part) => part.slice(1, -1)).sort() };
  if (more.length > 0) throw new Error(`a union of types: ${type}`);
  return { ...single(text, only), nullable };
}

function single(text: string, type: string): Omit<FieldType, "nullable"> {
  const open = /^Open<([\s\S]*)>$/.exec(type)?.[1];
  if (open !== undefined) return typeOf(text, open);
  if (type.endsWith("[]")) return { kind: "array", values: [] };
  if (type.startsWith("Record<")) return { kind: "object", values: [] };
  if (type === "string") return { kind: "text", values: [] };
  if (type === "number" || type === "boolean") return { kind: type, values: [] };
  const alias = new RegExp(`^export type ${type} = ([\\s\\S]*?);$`, "m").exec(text)?.[1];
  if (alias !== undefined) return typeOf(text, alias);
  if (new RegExp(`^export interface ${type} \\{`, "m").test(text)) return { kind: "object", values: [] };
  throw new Error(`unknown syntax: ${type}`);
}

/** The members of a union; text in brackets is not split. */
function unionOf(type: string): string[] {
  const members = [""];
  let depth = 0;
  for (const letter of type) {
    if ("<({[".includes(letter)) depth += 1;
    if (">)}]".includes(letter)) depth -= 1;
    if (letter === "|" && depth === 0) members.push("");
    else members[members.length - 1] += letter;
  }
  return members.map((member) => member.trim()).filter((member) => member !== "");
}
