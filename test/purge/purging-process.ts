import { pino } from "pino";
import { Purger } from "../../hub/purge/purger.ts";
import { Database } from "../../hub/store/database.ts";

/** Purges the database at a URL, like a hub, until it is killed. */
const [url = ""] = process.argv.slice(2);
const database = new Database({ url, max: 2, statementTimeoutMs: 2_000, connectTimeoutMs: 5_000 });
const purger = new Purger({
  database,
  nodeId: `node_${process.pid}`,
  days: 0,
  intervalMs: 20,
  restShare: 0,
  log: pino({ level: "silent" }),
});
// The purger's timer does not keep the process alive.
setInterval(() => undefined, 60_000);
purger.start();
console.log("purging");
