import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is, ok } from "uvu/assert";
import type { Transaction } from "../../hub/kernel/statements.ts";
import type { Database, Queries } from "../../hub/store/database.ts";
import { dispatchRound, waitingProjects } from "../../hub/tasks/dispatch.ts";
import { lockBoard } from "../../hub/tasks/order.ts";
import { workPublications } from "../../hub/tasks/work-publications.ts";
import { suite } from "../support/suite.ts";

const test = suite("transactions and the pool");
const HUB = join(import.meta.dirname, "../../hub");

/** None of it is called. `npm run types` fails if a `@ts-expect-error` expects no error. */
export const REFUSED = {
  aPoolInATransaction: (database: Database, queries: Queries) => [
    // @ts-expect-error a pool is no transaction
    () => dispatchRound(database, "p", 0),
    // @ts-expect-error and neither is its share of a tenant
    () => lockBoard(queries, "p"),
    // @ts-expect-error locks taken by a statement of the pool end with it
    () => database.query((sql) => lockBoard(sql, "p")),
  ],
  aTransactionAsAPool: (sql: Transaction) => [
    // @ts-expect-error code that holds a connection must not wait for another one
    () => workPublications(sql, []),
    // @ts-expect-error a transaction begins no other one
    () => sql.transaction("x", async () => undefined),
    // @ts-expect-error its statements are no queries of the pool
    () => sql.query((pool: Transaction) => waitingProjects(pool)),
  ],
};

/** Names of pools in the arguments of each call of `transaction`, each as "file: name". */
function poolsInTransactions(file: string): string[] {
  const text = readFileSync(join(HUB, file), "utf8").replaceAll(/\/\/.*$|\/\*[\s\S]*?\*\//gm, "");
  return [...text.matchAll(/\.transaction\(/g)].flatMap(({ index }) => {
    const body = argumentsAt(text, index + ".transaction(".length);
    return [...body.matchAll(/#?\b(?:database|pool|queries)\b/g)].map(([name]) => `${file}: ${name}`);
  });
}

/** The text between the opening parenthesis before `start` and its closing one. */
function argumentsAt(text: string, start: number): string {
  let depth = 1;
  let end = start;
  for (; depth > 0 && end < text.length; end += 1) depth += text[end] === "(" ? 1 : text[end] === ")" ? -1 : 0;
  return text.slice(start, end);
}

test("no function of a transaction in the hub names a pool", () => {
  const files = readdirSync(HUB, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  ok(files.some((file) => readFileSync(join(HUB, file), "utf8").includes(".transaction(")));
  equal(files.flatMap(poolsInTransactions), []);
});

test("types reject a pool in place of a transaction, and the other way round", () => {
  is(Object.keys(REFUSED).length, 2);
});

test.run();
