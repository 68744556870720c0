import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** The contents of a document's fenced blocks in this language, in order. */
export function fencedBlocks(document: string, language: string): string[] {
  const text = readFileSync(join(ROOT, document), "utf8");
  const fence = new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, "gm");
  return [...text.matchAll(fence)].map(([, block]) => block ?? "");
}

/** The only block of a document that contains `marker`. */
export function fencedBlock(document: string, language: string, marker: string): string {
  const found = fencedBlocks(document, language).filter((block) => block.includes(marker));
  const [block] = found;
  if (found.length === 1 && block !== undefined) return block;
  throw new Error(`${document} has ${found.length} blocks of ${language} with ${marker}, not one`);
}
