import {
  type ClassDeclaration,
  type ClassElement,
  type FunctionDeclaration,
  type GetAccessorDeclaration,
  type InterfaceDeclaration,
  type MethodDeclaration,
  type Node,
  type PropertyDeclaration,
  SyntaxKind,
  type TypeAliasDeclaration,
  type VariableDeclaration,
} from "typescript/unstable/ast";

export type Declaration =
  | ClassDeclaration
  | FunctionDeclaration
  | InterfaceDeclaration
  | TypeAliasDeclaration
  | VariableDeclaration
  | MethodDeclaration
  | GetAccessorDeclaration
  | PropertyDeclaration;
/** The type that the compiler infers for a declaration without a written type. */
export type TypeOf = (node: Declaration) => string;

/** A declaration as its users need it: without bodies, private members and members marked `@internal`. */
export function declarationText(node: Declaration, typeOf: TypeOf): string {
  switch (node.kind) {
    case SyntaxKind.ClassDeclaration:
      return classText(node, typeOf);
    case SyntaxKind.FunctionDeclaration:
      return exported(signatureText(node));
    case SyntaxKind.VariableDeclaration:
      return constantText(node, typeOf);
    default:
      return exported(node.getText());
  }
}

const exported = (text: string): string => text.replace(/^export (?:declare )?/, "");
const sourceOf = (node: Node): string => node.getSourceFile().text;
const without = (text: string, ...words: string[]): string =>
  words.reduce((rest, word) => rest.replace(new RegExp(`^${word} `), ""), text);
/** A parameter's default that is private. */
const PRIVATE_DEFAULT = / = this\.#[\w.]+/g;

/** From the name to the return type. */
function signatureText(node: FunctionDeclaration | MethodDeclaration): string {
  const end = node.body ? node.body.pos : node.end;
  const text = sourceOf(node).slice(node.getStart(), end).trim().replace(/;$/, "");
  return `${text.replace(/^(export )?async /, "$1").replaceAll(PRIVATE_DEFAULT, "")};`;
}

/** Tables are shown unchanged; for functions and computed values the type is enough. */
function constantText(node: VariableDeclaration, typeOf: TypeOf): string {
  const { initializer } = node;
  const plain =
    initializer &&
    ![SyntaxKind.ArrowFunction, SyntaxKind.NewExpression, SyntaxKind.CallExpression].includes(initializer.kind);
  if (plain) return `const ${node.getText()};`;
  return `const ${node.name.getText()}: ${node.type?.getText() ?? typeOf(node)};`;
}

function classText(node: ClassDeclaration, typeOf: TypeOf): string {
  const head = exported(sourceOf(node).slice(node.getStart(), node.members.pos).trim());
  const members = node.members.filter(isPublic).flatMap((member) => memberText(member, node, typeOf));
  return members.length === 0 ? `${head} }` : `${head}\n${members.join("\n")}\n}`;
}

/** Constructors, static blocks and the like have no name. */
function nameOf(member: ClassElement): string {
  const { name } = member as { name?: Node };
  return name?.getText() ?? "";
}

function isPublic(member: ClassElement): boolean {
  const name = nameOf(member);
  const text = member.getText();
  if (name === "" || name.startsWith("#")) return false;
  return !/^(?:private|protected) /.test(text) && !commentOf(member).includes("@internal");
}

/** The docstring above a member. */
function commentOf(member: Node): string {
  const before = sourceOf(member).slice(member.pos, member.getStart());
  return /\/\*\*(?:(?!\/\*\*)[\s\S])*?\*\/\s*$/.exec(before)?.[0].trimEnd() ?? "";
}

function memberText(member: ClassElement, owner: ClassDeclaration, typeOf: TypeOf): string[] {
  const line = memberLine(member, owner, typeOf);
  if (line === null) return [];
  const comment = commentOf(member);
  return [...(comment ? [`  ${comment}`] : []), `  ${line}`];
}

function memberLine(member: ClassElement, owner: ClassDeclaration, typeOf: TypeOf): string | null {
  switch (member.kind) {
    case SyntaxKind.MethodDeclaration:
      return signatureText(member as MethodDeclaration);
    case SyntaxKind.GetAccessor:
      return accessorLine(member as GetAccessorDeclaration, owner, typeOf);
    case SyntaxKind.PropertyDeclaration:
      return propertyLine(member as PropertyDeclaration, typeOf);
    default:
      // The getter documents a setter.
      return null;
  }
}

function accessorLine(getter: GetAccessorDeclaration, owner: ClassDeclaration, typeOf: TypeOf): string {
  const name = getter.name.getText();
  const isSet = owner.members.some((other) => other.kind === SyntaxKind.SetAccessor && nameOf(other) === name);
  return `${isSet ? "" : "readonly "}${name}: ${getter.type?.getText() ?? typeOf(getter)};`;
}

function propertyLine(property: PropertyDeclaration, typeOf: TypeOf): string {
  const text = without(property.getText(), "public", "override", "declare").replace(/;$/, "");
  const { initializer } = property;
  if (!initializer || initializer.kind === SyntaxKind.StringLiteral) return `${text};`;
  const readonly = text.startsWith("readonly ") ? "readonly " : "";
  return `${readonly}${property.name.getText()}: ${property.type?.getText() ?? typeOf(property)};`;
}
