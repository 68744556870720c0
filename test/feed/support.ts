import type { EntityChange, Publication } from "@monster-realtime/client/protocol";
import postgres, { type Sql } from "postgres";
import type { TestHub } from "../support/hub.ts";
import type { RawClient } from "../support/raw-client.ts";

export type FeedPublication = Publication<string, EntityChange>;

/** The publications that a client received on a channel of the feed. */
export function publicationsOn(client: RawClient, channel: string): FeedPublication[] {
  return client.received("publications", channel).flatMap(([, list]) => list as FeedPublication[]);
}

export const boardOf = (hub: TestHub) => `project:${hub.projectId}:tasks`;

/** Runs `body` with connections of another program, with any database and role. */
export async function withForeign(
  hub: TestHub,
  body: (sql: Sql) => Promise<void>,
  { database = hub.database.connection.database ?? "", user = hub.database.connection.user ?? "postgres" } = {},
): Promise<void> {
  const { socketDir, port } = hub.database.connection;
  const sql = postgres({
    host: socketDir ?? "",
    ...(port !== undefined && { port }),
    user,
    database,
    max: 8,
    onnotice: () => undefined,
  });
  try {
    await body(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
