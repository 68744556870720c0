-- A board's tasks and a project's audit trail in their order without a sort, and the announcement that tasks were
-- numbered anew.

CREATE INDEX idx_audit_events_project ON audit_events (project_id, id);
CREATE INDEX idx_tasks_project_order ON tasks (project_id, priority DESC, list_order, created_at, id);
ALTER TYPE audit_operation ADD VALUE 'reordered';
