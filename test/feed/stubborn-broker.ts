import type { PublishReply } from "@monster-realtime/client/protocol";
import { pino } from "pino";
import { ulid } from "ulid";
import type { BrokerPublish } from "../../hub/broker/broker.ts";
import { MemoryBroker } from "../../hub/broker/memory.ts";
import { ChangeFeed } from "../../hub/feed/change-feed.ts";
import { Database } from "../../hub/store/database.ts";
import { ChangeFeedStore } from "../../hub/store/feed-store.ts";
import { workPublications } from "../../hub/tasks/work-publications.ts";
import { withDatabase } from "../support/database.ts";

/** A broker whose delays and rejections the test decides. */
export class StubbornBroker extends MemoryBroker {
  asked = 0;
  answer: (request: BrokerPublish) => Promise<unknown> = async () => undefined;

  override async publish(request: BrokerPublish): Promise<PublishReply> {
    this.asked += 1;
    await this.answer(request);
    return super.publish(request);
  }
}

export interface FeedScene {
  database: Database;
  feed: ChangeFeed;
  broker: StubbornBroker;
  lines: { msg: string }[];
  projectId: string;
  /** The ids of the tasks published to the project's board, at most the last 1,000. */
  tasks(): Promise<string[]>;
}

/** A feed on a separate pool of `max` connections, and a project with `count` pending tasks. */
export function withFeed(
  { max, count, pollMs = 20 }: { max: number; count: number; pollMs?: number },
  body: (scene: FeedScene, pool: Database) => Promise<void>,
): Promise<void> {
  return withDatabase(async (database) => {
    const pool = new Database({ ...database.connection, max, statementTimeoutMs: 10_000, connectTimeoutMs: 5_000 });
    const broker = new StubbornBroker({ retention: () => ({ size: 1_000, ttlMs: 60_000 }), positionTtlMs: 60_000 });
    const lines: { msg: string }[] = [];
    const log = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const projectId = `proj_${ulid()}`;
    await database.query(
      (sql) => sql`INSERT INTO organizations (id, name, slug) VALUES (${`org_${ulid()}`}, 'o', 'o')`,
    );
    await database.query(
      (sql) => sql`INSERT INTO projects (id, organization_id, name) SELECT ${projectId}, id, 'P' FROM organizations`,
    );
    await database.query(
      (sql) => sql`INSERT INTO tasks (id, project_id, title)
        SELECT 'task_' || lpad(n::text, 26, '0'), ${projectId}, 'T' || n FROM generate_series(1, ${count}) n`,
    );
    const feed = new ChangeFeed({
      source: new ChangeFeedStore(pool, { further: workPublications }),
      broker,
      rememberMs: 60_000,
      ensureListening: () => false,
      isReceiving: async () => false,
      onTouched: () => undefined,
      onInvited: () => undefined,
      onPublished: () => undefined,
      pollMs,
      log,
    });
    const tasks = async () => {
      const query = { limit: 1_000, reverse: false, maxBytes: 1e8 };
      const { publications } = await broker.history(`project:${projectId}:tasks`, query);
      return publications
        .filter(({ type }) => type.startsWith("task:"))
        .map(({ payload }) => (payload as { id: string }).id);
    };
    try {
      feed.start();
      await body({ database, feed, broker, lines, projectId, tasks }, pool);
    } finally {
      broker.answer = async () => undefined;
      await feed.close();
      await Promise.all([pool.close(), broker.close()]);
    }
  });
}
