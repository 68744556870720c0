import { GENERATED, link, namesIn, type Places } from "./page.ts";
import type { RpcMethodTypes } from "./project.ts";

type Cell = "all" | readonly string[];
/** The callers of a method, as the hub checks them. */
export type Grants = ReadonlyMap<string, Readonly<Partial<Record<string, Cell>>>>;

const FILE = "rpc.md";
/** Where rows are explained: some have the same names as exports of other entry points. */
const ROWS = "rows.md";
const PARTIES: readonly [party: string, text: string][] = [
  ["user", "any user"],
  ["self", "oneself"],
  ["member", "members"],
  ["admin", "admins"],
  ["owner", "owners"],
  ["workstation", "the workstation"],
  ["service", "services"],
];
/** The roles that include each other: admins and owners may do everything that members may. */
const ROLES = ["member", "admin", "owner"];

const INTRODUCTION = `All methods of \`client.rpc(method, params)\`, the request \`rpc\` and \`POST /v1/rpc/{method}\`. The links lead to the fields of
params and results; [PROTOCOL.md](../../PROTOCOL.md#rpc) has the common rules. Each method may fail with \`bad_request\`, \`forbidden\`, \`not_found\`, \`rate_limited\`,
\`timeout\` or \`unavailable\`; other errors are listed with the method.

**Callers**: *members* are all active members of the row's organization, including admins and owners; *admins* are admins and owners. *The workstation* changes
its own rows, and reads the rows that it needs for its work. *Services* are restricted to their organizations, if they have any. Names in brackets are the only fields that the caller may set.
*Any user* and *oneself* require a token of a first-party client: any other token is restricted to the organizations that it opens, and can't change its own user.`;

/** All methods, a table for each entity. */
export function rpcPageText(methods: readonly RpcMethodTypes[], grants: Grants, places: Places): string {
  const entities = new Map<string, RpcMethodTypes[]>();
  for (const method of methods) {
    const entity = method.method.split(".")[0] ?? "";
    entities.set(entity, [...(entities.get(entity) ?? []), method]);
  }
  const sections = [...entities].map(([entity, own]) => `## ${entity}\n\n${tableOf(own, grants, places)}`);
  return `${[GENERATED, "# RPC methods", INTRODUCTION, ...sections].join("\n\n")}\n`;
}

function tableOf(methods: readonly RpcMethodTypes[], grants: Grants, places: Places): string {
  const rows = methods.map(({ method, params, result, doc }) => {
    const cells = [
      `\`${method}\``,
      typeCell(params, places),
      typeCell(result, places),
      whoMay(method, grants),
      oneLine(doc),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return ["| method | params | result | callers | |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");

/** A type with links to its parts. */
function typeCell(type: string, places: Places): string {
  const names = namesIn(type, places).filter((name) => type !== name);
  const code = names.length === 0 && places.has(type) ? link(type, FILE, places, ROWS) : `\`${oneLine(type)}\``;
  return names.length === 0 ? code : `${code} ${names.map((name) => link(name, FILE, places, ROWS)).join(" ")}`;
}

function whoMay(method: string, grants: Grants): string {
  const grant = grants.get(method);
  if (!grant) throw new Error(`The hub has no method ${method}.`);
  const widest = ROLES.find((role) => grant[role] === "all");
  const allowed = PARTIES.filter(([party]) => grant[party] !== undefined && !includedIn(widest, party));
  return allowed.map(([party, text]) => `${text}${fieldsText(grant[party])}`).join(", ");
}

function includedIn(widest: string | undefined, party: string): boolean {
  return widest !== undefined && ROLES.indexOf(party) > ROLES.indexOf(widest);
}

function fieldsText(cell: Cell | undefined): string {
  return cell === undefined || cell === "all" ? "" : ` (${cell.map((field) => `\`${field}\``).join(", ")})`;
}
