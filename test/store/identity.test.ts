import { equal, is, match, not } from "uvu/assert";
import { Database } from "../../hub/store/database.ts";
import { hasIdentity, renewIdentity, settleIdentity } from "../../hub/store/identity.ts";
import { withDatabase } from "../support/database.ts";
import { withCopy } from "../support/database-copy.ts";
import { suite } from "../support/suite.ts";

const test = suite("a database's identity");
const TIMES = { statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 };

const settleAtOnce = (database: Database, hubs: number) =>
  Promise.all(Array.from({ length: hubs }, async () => (await settleIdentity(database)).value));

test("has eight characters, and is drawn once for concurrent callers", () =>
  withDatabase(async (database) => {
    const values = new Set(await settleAtOnce(database, 10));
    is(values.size, 1);
    const [value = ""] = values;
    match(value, /^[0-9a-hjkmnp-tv-z]{8}$/);
    equal(await settleIdentity(database), { value, certain: true });
    is(await hasIdentity(database, value), true);
  }));

test("of a copy is a new one, on which concurrently starting hubs agree", () =>
  withDatabase(async (database) => {
    const { value } = await settleIdentity(database);
    await withCopy(database, async (copy) => {
      is(await hasIdentity(copy, value), false, "a hub whose server became the copy can't continue");
      const values = new Set(await settleAtOnce(copy, 10));
      is(values.size, 1);
      not.equal([...values], [value]);
    });
    is((await settleIdentity(database)).value, value, "the original keeps its own");
  }));

test("is drawn again if the stored system identifier is another server's", () =>
  withDatabase(async (database) => {
    const { value } = await settleIdentity(database);
    await database.query((sql) => sql`UPDATE hub_identity SET system_identifier = '1'`);
    is(await hasIdentity(database, value), false);
    not.equal((await settleIdentity(database)).value, value);
  }));

test("can be renewed for a copy of a whole disk, which can't be distinguished", () =>
  withDatabase(async (database) => {
    const { value } = await settleIdentity(database);
    const renewed = await renewIdentity(database);
    not.equal(renewed, value);
    is(await hasIdentity(database, value), false);
    is((await settleIdentity(database)).value, renewed);
  }));

test("without the right to read the system identifier depends on the oids, and stays when that right is granted or revoked", () =>
  withDatabase(async (database, info) => {
    const { value } = await settleIdentity(database);
    const role = `${info.database}_plain`;
    await database.unlimited.unsafe(`
      CREATE ROLE ${role} LOGIN;
      GRANT SELECT, INSERT, UPDATE ON hub_identity TO ${role};
      REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`);
    const plain = new Database({ ...info, user: role, max: 2, ...TIMES });
    try {
      equal(await settleIdentity(plain), { value, certain: false });
      is(await hasIdentity(plain, value), true);
      is((await settleIdentity(database)).value, value);
      await database.query((sql) => sql`UPDATE hub_identity SET system_identifier = NULL, oids = '1.1'`);
      const drawn = await settleIdentity(plain);
      not.equal(drawn.value, value);
      equal(await settleIdentity(database), { value: drawn.value, certain: true });
    } finally {
      await plain.close();
      await database.unlimited.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  }));

test.run();
