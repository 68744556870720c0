-- A board's tasks in their order without a sort, and the announcement that some were numbered anew.

CREATE INDEX idx_tasks_project_order ON tasks (project_id, priority DESC, list_order, created_at, id);
ALTER TYPE audit_operation ADD VALUE 'reordered';
