-- Work that one hub at a time does every so often, such as the retention of the audit trail. `due_at`: when a hub may begin;
-- while a hub works, when its turn ends unless it goes on. `finished_at`: when a hub last came to the end of it.
CREATE TABLE periodic_work (
  name TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  due_at TIMESTAMPTZ(3) NOT NULL,
  finished_at TIMESTAMPTZ(3)
);
