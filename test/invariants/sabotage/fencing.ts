/** Writes presence back with a delay and without comparing revisions: an older state may undo a newer one. */
import type { Sql } from "postgres";
import { Database } from "../../../hub/store/database.ts";
import { PresenceWriter } from "../../../hub/store/presence-writer.ts";

const FENCE = " AND (station.presence_generation, station.presence_revision) < (new.generation, new.revision)";
const MOST_LATE_MS = 400;

/** The statement without its fence. */
function unfenced(strings: TemplateStringsArray): TemplateStringsArray {
  const parts = strings.map((part) => part.replace(FENCE, ""));
  return Object.assign(parts, { raw: parts }) as unknown as TemplateStringsArray;
}

type Query = (this: Database, ask: (sql: Sql) => never) => never;
const prototype = Database.prototype as unknown as { query: Query };
const { query } = prototype;
prototype.query = function (ask) {
  return query.call(this, (sql) => {
    const open = new Proxy(sql, {
      apply(target, self, [strings, ...values]: [TemplateStringsArray, ...unknown[]]) {
        const fenced = Array.isArray(strings) && strings.some((part: string) => part.includes(FENCE));
        return Reflect.apply(target, self, [fenced ? unfenced(strings) : strings, ...values]);
      },
    }) as Sql;
    return ask(open);
  });
};

const { write } = PresenceWriter.prototype;
PresenceWriter.prototype.write = function (this: PresenceWriter, presence) {
  setTimeout(() => write.call(this, presence), Math.random() * MOST_LATE_MS);
};
