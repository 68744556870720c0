import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { equal, is } from "uvu/assert";
import { ADVISORY_LOCK_PAIRS, ADVISORY_LOCKS } from "../../hub/store/advisory-locks.ts";
import { suite } from "../support/suite.ts";

const test = suite("advisory locks");
const ROOT = join(import.meta.dirname, "../..");

test("no two uses share a number", () => {
  for (const locks of [ADVISORY_LOCKS, ADVISORY_LOCK_PAIRS]) {
    const numbers = Object.values<string | number>(locks);
    is(new Set(numbers).size, numbers.length);
  }
});

test("every lock of a fixed number is in the table", () => {
  const strays = ["hub", "scripts"]
    .flatMap((room) =>
      readdirSync(join(ROOT, room), { recursive: true, encoding: "utf8" }).map((path) => join(ROOT, room, path)),
    )
    .filter((path) => path.endsWith(".ts"))
    .filter((path) => !path.endsWith("store/advisory-locks.ts"))
    .filter((path) => /72057594\d{5}|advisory_(xact_)?lock(_shared)?\(\s*['"]?\d/.test(readFileSync(path, "utf8")));
  equal(strays, []);
});

test.run();
