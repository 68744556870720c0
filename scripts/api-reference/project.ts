import { join } from "node:path";
import { type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import { API, type Checker, type Program, SymbolFlags } from "typescript/unstable/sync";
import { type Declaration, declarationText } from "./declaration.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const CONFIG = join(import.meta.dirname, "tsconfig.json");
/** The five methods that all entities have. */
const COMMON = "client-sdk/protocol/entities/common.ts";
/** Writes types out in full, regardless of their length. */
const NO_TRUNCATION = 1;
/** The checker's notation for a type of another file. */
const IMPORTED = /import\("[^"]+"\)\./g;
/** Types of fields to change and of rows in lists: `Partial<Pick<…>>` and the like. */
const ALIAS = /(?:Set|ListItem|Create)$/;

export type ExportKind = "hook" | "component" | "function" | "class" | "error" | "type" | "constant";

/** One name that an entry point exports. */
export interface Export {
  name: string;
  kind: ExportKind;
  /** Its docstring; empty if it has none. */
  doc: string;
  /** The declaration, as TypeScript without bodies. */
  code: string;
  /** The file that declares it, from the repository's root. */
  file: string;
}

/** One RPC method, as described by its types. */
export interface RpcMethodTypes {
  method: string;
  params: string;
  result: string;
  doc: string;
}

/** The SDK as the compiler sees it. Close it: a separate process does the work. */
export class Project {
  readonly #api = new API({ cwd: ROOT });
  readonly #program: Program;
  readonly #checker: Checker;

  constructor() {
    const [project] = this.#api.updateSnapshot({ openProject: CONFIG }).getProjects();
    if (!project) throw new Error(`${CONFIG} can't be opened.`);
    this.#program = project.program;
    this.#checker = project.checker;
  }

  close(): void {
    this.#api.close();
  }

  /** The exports of an entry point, by name. */
  exportsOf(entry: string): Export[] {
    const symbols = this.#checker.getExportsOfModule(this.#moduleOf(this.#sourceOf(entry)));
    const named = symbols.map((symbol) => this.#export(symbol.name, this.#target(symbol)));
    return named.sort((one, other) => compare(one.name, other.name));
  }

  /** Every method of `RpcMethods`, in the order of their entities. */
  rpcMethods(entry: string): RpcMethodTypes[] {
    const source = this.#sourceOf(entry);
    const exported = this.#checker.getExportsOfModule(this.#moduleOf(source));
    const methods = this.#exported(entry, "RpcMethods");
    const aliases = this.#aliasesOf(exported, source);
    const part = (method: CompilerSymbol, name: string) => {
      const text = this.#partOf(method, name, source);
      return aliases.reduce((rest, [alias, spelled]) => rest.replaceAll(spelled, alias), text);
    };
    const verbs = new Map(
      this.#membersOf(this.#exported(COMMON, "Crud")).map((verb) => [verb.name, this.#docOf(verb)]),
    );
    return this.#membersOf(methods).map((method) => ({
      method: method.name,
      params: part(method, "params"),
      result: part(method, "result"),
      doc: this.#docOf(method) || (verbs.get(method.name.split(".")[1] ?? "") ?? ""),
    }));
  }

  #membersOf(type: CompilerSymbol): readonly CompilerSymbol[] {
    return this.#checker.getPropertiesOfType(this.#checker.getDeclaredTypeOfSymbol(type));
  }

  #docOf(symbol: CompilerSymbol): string {
    return this.#checker.getDocumentationCommentOfSymbol(symbol).trim();
  }

  #exported(file: string, name: string): CompilerSymbol {
    const exported = this.#checker.getExportsOfModule(this.#moduleOf(this.#sourceOf(file)));
    const found = exported.find((symbol) => symbol.name === name);
    if (!found) throw new Error(`${file} has no ${name}.`);
    return this.#target(found);
  }

  /** Replaces names such as `TaskSet` by the compiler's expanded types. */
  #aliasesOf(exported: readonly CompilerSymbol[], source: SourceFile): [alias: string, spelled: string][] {
    const spelled = exported
      .filter(({ name }) => ALIAS.test(name))
      .map((symbol): [string, string] => {
        const target = this.#target(symbol);
        return [symbol.name, this.#print(this.#checker.getDeclaredTypeOfSymbol(target), source)];
      });
    return spelled.filter(([name, text]) => name !== text).sort(([one], [other]) => compare(one, other));
  }

  #sourceOf(file: string): SourceFile {
    const source = this.#program.getSourceFile(join(ROOT, file));
    if (!source) throw new Error(`${file} is not part of ${CONFIG}.`);
    return source;
  }

  #moduleOf(source: SourceFile): CompilerSymbol {
    const symbol = this.#checker.getSymbolAtLocation(source);
    if (!symbol) throw new Error("A file without exports has no reference.");
    return symbol;
  }

  #target(symbol: CompilerSymbol): CompilerSymbol {
    return symbol.flags & SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  #export(name: string, symbol: CompilerSymbol): Export {
    const nodes = symbol.declarations.flatMap((handle) => handle.resolve() ?? []) as Declaration[];
    const [first] = nodes;
    if (!first) throw new Error(`${name} is declared nowhere.`);
    const kind = kindOf(name, first);
    const doc = kind === "error" ? withCode(this.#docOf(symbol), first) : this.#docOf(symbol);
    const code = nodes.map((node) => declarationText(node, (typed) => this.#typeOf(typed))).join("\n");
    return { name, kind, doc, code, file: fileOf(first) };
  }

  #typeOf(node: Declaration): string {
    const type = this.#checker.getTypeAtLocation(node);
    return type ? this.#print(type, node) : "unknown";
  }

  #partOf(method: CompilerSymbol, part: string, source: SourceFile): string {
    const type = this.#checker.getTypeOfSymbol(method);
    const property = type && this.#checker.getPropertyOfType(type, part);
    const partType = property && this.#checker.getTypeOfSymbol(property);
    if (!partType) throw new Error(`${method.name} has no ${part}.`);
    return this.#print(partType, source);
  }

  #print(type: CompilerType, at: Declaration | SourceFile): string {
    return this.#checker.typeToString(type, at, NO_TRUNCATION).replace(IMPORTED, "");
  }
}

type CompilerSymbol = ReturnType<Checker["getExportsOfModule"]>[number];
type CompilerType = ReturnType<Checker["getDeclaredTypeOfSymbol"]>;

/** The same order on every machine, independent of its language. */
export function compare(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return one < other ? -1 : 1;
  return a < b ? -1 : 1;
}

function fileOf(node: Declaration): string {
  return node.getSourceFile().fileName.slice(ROOT.length + 1);
}

/** The code that identifies an error on every path, also where its class is missing. */
function withCode(doc: string, node: Declaration): string {
  const [, code] = /\bcode: "([a-z_]+)"/.exec(node.getText()) ?? [];
  return code === undefined || doc === "" ? doc : `${doc}\n\nIts \`code\` is \`${code}\`.`;
}

function kindOf(name: string, node: Declaration): ExportKind {
  switch (node.kind) {
    case SyntaxKind.ClassDeclaration:
      return name.endsWith("Error") ? "error" : "class";
    case SyntaxKind.FunctionDeclaration:
      return functionKind(name);
    case SyntaxKind.VariableDeclaration:
      return node.initializer?.kind === SyntaxKind.ArrowFunction ? functionKind(name) : "constant";
    default:
      return "type";
  }
}

function functionKind(name: string): ExportKind {
  if (/^use[A-Z]/.test(name)) return "hook";
  return /^[A-Z]/.test(name) ? "component" : "function";
}
