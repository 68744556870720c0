import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { equal, is, ok, throws } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { ARRAY_TYPES, arrayLiteral, parseArray } from "../../hub/store/driver-types.ts";
import { type DatabaseInfo, withDatabase } from "../support/database.ts";
import { isUnavailable } from "../support/database-client.ts";
import { suite } from "../support/suite.ts";

const test = suite("arrays in statements");

const VALUES: readonly (readonly [type: string, values: readonly unknown[]])[] = [
  ["text", ["", "a b", 'quo"te', "back\\slash", "{brace}", "com,ma", "NULL", "null", null, "é\u{1F600}\n"]],
  ["varchar", ["x", null]],
  ["name", ["pg_class"]],
  ["int4", [1, null, -2_000_000_000]],
  ["int8", ["9007199254740993", null]],
  ["oid", [0, 4_000_000_000]],
  ["float8", [1.5, -0.25]],
];

test("arrays of each registered type are sent and read back unchanged, including empty ones", () =>
  withDatabase(async (database) => {
    equal(VALUES.map(([type]) => `${type}Array`).sort(), Object.keys(ARRAY_TYPES).sort(), "each type is tested");
    for (const [type, values] of VALUES) {
      for (const sent of [values, []]) {
        const [row] = await database.query((sql) => sql.unsafe(`SELECT $1::${type}[] AS value`, [sent as never]));
        equal([...(row?.value ?? [])], [...sent], type);
      }
    }
  }));

test("the oids are those of the server", () =>
  withDatabase(async (database) => {
    for (const [name, { to }] of Object.entries(ARRAY_TYPES)) {
      const type = `${name.replace(/Array$/, "")}[]`;
      const [row] = await database.query((sql) => sql<{ oid: number }[]>`SELECT ${type}::regtype::oid::int AS oid`);
      is(row?.oid, to, type);
    }
  }));

test("any text survives in an array of any number of dimensions", () => {
  const element = fc.oneof(fc.string({ unit: "binary" }), fc.constant(null));
  const arrays = fc.oneof(fc.array(element), fc.array(fc.array(element, { minLength: 1 }), { minLength: 1 }));
  fc.assert(fc.property(arrays, (values) => equal(parseArray(arrayLiteral(values)), values)));
});

test("arrays in Postgres' format are parsed: bounds, NULL, unquoted elements; others are rejected", () => {
  equal(parseArray('[0:2]={a,NULL,"NULL"}'), ["a", null, "NULL"]);
  equal(parseArray("{{1,2},{3,4}}", Number), [
    [1, 2],
    [3, 4],
  ]);
  for (const wrong of ["", "a,b", "{a", '{"a', "{a b}"]) throws(() => parseArray(wrong), /Postgres sent an array/);
});

const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Runs `body` with an address of the database whose connections are lost at the first statement, and their number. */
async function withLosses(info: DatabaseInfo, body: (url: string, lost: () => number) => Promise<void>): Promise<void> {
  let lost = 0;
  const server = createServer((client) => {
    const upstream = connect(join(info.socketDir, ".s.PGSQL.5432"));
    let ready = false;
    upstream.on("data", (chunk) => {
      ready ||= chunk.includes(READY_FOR_QUERY);
      client.write(chunk);
    });
    client.on("data", (chunk) => {
      if (!ready) return void upstream.write(chunk);
      lost += 1;
      client.destroy();
      upstream.destroy();
    });
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
    client.on("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    await body(`postgres://${info.user}@127.0.0.1:${port}/${info.database}`, () => lost);
  } finally {
    server.close();
  }
}

test("a connection that is lost at its first statement is an error of its caller only, and no rejection is unhandled", () =>
  withDatabase((_, info) =>
    withLosses(info, async (url, lost) => {
      const unhandled: unknown[] = [];
      const collect = (error: unknown) => void unhandled.push(error);
      process.on("unhandledRejection", collect);
      const database = new Database({ url, statementTimeoutMs: 2_000, connectTimeoutMs: 2_000, max: 2 });
      try {
        for (let round = 0; round < 2; round += 1) {
          await isUnavailable(database.ping());
          await isUnavailable(database.transaction("test", (sql) => sql`SELECT 1`));
        }
        await nextTurn();
        ok(lost() >= 4, `${lost()} connections were lost`);
        equal(unhandled, []);
      } finally {
        process.off("unhandledRejection", collect);
        await database.close();
      }
    }),
  ));

test.run();
