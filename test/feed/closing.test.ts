import { EventEmitter, once } from "node:events";
import { equal, is, ok } from "uvu/assert";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { suite } from "../support/suite.ts";
import { until } from "../support/until.ts";
import { withFeed } from "./stubborn-broker.ts";
import { changesOf } from "./taken.ts";

const test = suite("a change feed that closes during a backlog");

test("closing waits for the round under way alone, whose changes are settled; the next feed continues behind them", () =>
  withFeed({ max: 2, count: 3_000 }, async ({ feed, broker, database, tasks }) => {
    const gate = new EventEmitter();
    const opened = once(gate, "open");
    broker.answer = () => opened;
    await until("a round waits for the broker", () => broker.asked > 0);

    let isClosed = false;
    const closing = feed.close().then(() => {
      isClosed = true;
    });
    const asked = broker.asked;
    ok(!isClosed, "the round under way is waited for");
    gate.emit("open");
    await closing;
    is(broker.asked, asked, "no further round begins");
    const published = await tasks();
    ok(published.length < 1_000, `${published.length} of 3,000 were published`);
    const [next] = changesOf(await new ChangeFeedStore(database).claim(100)).filter(({ entity }) => entity === "tasks");
    equal(next?.rowId, `task_${String(published.length + 1).padStart(26, "0")}`);
  }));

test.run();
