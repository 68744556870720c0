import { equal } from "uvu/assert";
import { PresenceBacklog } from "../../hub/store/presence-backlog.ts";
import { writePresences } from "../../hub/store/presence-statement.ts";
import { withDatabase } from "../support/database.ts";
import { suite } from "../support/suite.ts";
import { presenceOf, seedWorkstations, transitionsOf } from "../support/workstation-rows.ts";

const test = suite("presence write-back without an answer");

test("a transition whose write got no answer is recorded once, though it is sent again with the next", () =>
  withDatabase(async (database) => {
    const [id = ""] = await seedWorkstations(database, 1);
    const backlog = new PresenceBacklog();
    backlog.put(presenceOf(id, 1), false);
    const answered = backlog.take(1);
    await writePresences(database, answered);
    for (const row of answered) backlog.written(row);
    backlog.put(presenceOf(id, 2, { state: "suspect" }), false);
    const unanswered = backlog.take(1);
    await writePresences(database, unanswered);
    for (const row of unanswered) backlog.putBack(row);
    backlog.put(presenceOf(id, 3), false);
    await writePresences(database, backlog.take(1));
    equal(
      (await transitionsOf(database, id)).map(({ after }) => `${after.presence} ${after.revision}`),
      ["online 1", "suspect 2", "online 3"],
    );
  }));

test("a transition whose write got no answer is recorded once, though the next is of a later generation", () =>
  withDatabase(async (database) => {
    const [id = ""] = await seedWorkstations(database, 1);
    const backlog = new PresenceBacklog();
    backlog.put(presenceOf(id, 8), false);
    const unanswered = backlog.take(1);
    await writePresences(database, unanswered);
    for (const row of unanswered) backlog.putBack(row);
    backlog.put(presenceOf(id, 2, { generation: 2, state: "suspect" }), false);
    await writePresences(database, backlog.take(1));
    equal(
      (await transitionsOf(database, id)).map(({ after }) => `${after.presence} ${after.revision}`),
      ["online 8", "suspect 2"],
    );
  }));

test.run();
