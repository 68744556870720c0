import { GENERATED, link, namesIn, type Places } from "./page.ts";
import type { RpcMethodTypes } from "./project.ts";

type Cell = "all" | readonly string[];
/** Who may call a method, as the hub checks it. */
export type Grants = ReadonlyMap<string, Readonly<Partial<Record<string, Cell>>>>;

const FILE = "rpc.md";
/** Where rows are explained: some share their names with what other entry points give. */
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
/** The roles that include each other: what members may, admins and owners may. */
const ROLES = ["member", "admin", "owner"];

const INTRODUCTION = `Every method that \`client.rpc(method, params)\`, the request \`rpc\` and \`POST /v1/rpc/{method}\` know. What its params and its result
hold, field by field, is behind the links; what they share is in [PROTOCOL.md](../../PROTOCOL.md#rpc). Each may be refused with \`bad_request\`, \`forbidden\`, \`not_found\`, \`rate_limited\`,
\`timeout\` or \`unavailable\`; which other errors there are is said with the method.

**Who may**: *members* are all active members of the row's organization, admins and owners among them; *admins* are admins and owners. *The workstation* does it to
its own rows, and reads what it needs for its work. *Services* are held to their organizations, where they have some. Names in brackets are the only fields that somebody may set.
*Any user* and *oneself* need a token of a first-party client: any other acts within the organizations that it opens, and never on its own person.`;

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
  return ["| method | params | result | who may | |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");

/** A type with links to what it is made of. */
function typeCell(type: string, places: Places): string {
  const names = namesIn(type, places).filter((name) => type !== name);
  const code = names.length === 0 && places.has(type) ? link(type, FILE, places, ROWS) : `\`${oneLine(type)}\``;
  return names.length === 0 ? code : `${code} ${names.map((name) => link(name, FILE, places, ROWS)).join(" ")}`;
}

function whoMay(method: string, grants: Grants): string {
  const grant = grants.get(method);
  if (!grant) throw new Error(`The hub has no method ${method}.`);
  const widest = ROLES.find((role) => grant[role] === "all");
  const told = PARTIES.filter(([party]) => grant[party] !== undefined && !includedIn(widest, party));
  return told.map(([party, text]) => `${text}${fieldsText(grant[party])}`).join(", ");
}

function includedIn(widest: string | undefined, party: string): boolean {
  return widest !== undefined && ROLES.indexOf(party) > ROLES.indexOf(widest);
}

function fieldsText(cell: Cell | undefined): string {
  return cell === undefined || cell === "all" ? "" : ` (${cell.map((field) => `\`${field}\``).join(", ")})`;
}
