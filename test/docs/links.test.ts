import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { equal, ok } from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("links in documents");
const ROOT = join(import.meta.dirname, "..", "..");
const WHOLE = [
  "README.md",
  "PROTOCOL.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "client-sdk/README.md",
];
const DOCUMENTS = [
  ...WHOLE,
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
];

const textOf = (document: string) => readFileSync(join(ROOT, document), "utf8").replaceAll(/^```[\s\S]*?^```$/gm, "");

/** The anchors of a document's headings, as GitHub creates them. */
function anchorsOf(document: string): Set<string> {
  const counts = new Map<string, number>();
  const headings = [...textOf(document).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => heading ?? "");
  return new Set(
    headings.map((heading) => {
      const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
      const slug = plain.replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
      const count = counts.get(slug) ?? 0;
      counts.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}

function linksOf(document: string): string[] {
  return [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link ?? "")
    .filter((link) => !/^[a-z]+:/.test(link));
}

function exists(document: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? document : join(dirname(document), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || (target.endsWith(".md") && anchorsOf(target).has(anchor));
}

for (const document of DOCUMENTS) {
  test(`have existing targets in ${document}`, () => {
    equal(
      linksOf(document).filter((link) => !exists(document, link)),
      [],
    );
  });
}

test("the index links every page of the guide", () => {
  const index = linksOf("docs/README.md").map((link) => link.split("#")[0]);
  const pages = readdirSync(join(ROOT, "docs")).filter((file) => file.endsWith(".md") && file !== "README.md");
  ok(pages.length > 5);
  equal(
    pages.filter((page) => !index.includes(page)),
    [],
  );
});

test.run();
