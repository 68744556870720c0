-- Where a task stands in its workflow, whether it goes round in the list of loops, why nobody works on it any more; what
-- waits and what runs, and the sessions that have not ended.

ALTER TABLE tasks
  ADD COLUMN workflow_step SMALLINT CHECK (workflow_step >= 0),
  ADD COLUMN loops BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN last_error TEXT;

CREATE INDEX idx_tasks_waiting ON tasks (project_id, list, priority DESC, list_order, created_at, id) WHERE ready AND agent_session_status = 'INACTIVE';
CREATE INDEX idx_tasks_running ON tasks (project_id, project_repository_id) WHERE agent_session_status <> 'INACTIVE';
CREATE INDEX idx_sessions_open ON agent_sessions (started_at) WHERE status IN ('starting', 'active');

CREATE OR REPLACE FUNCTION hub_settle_task() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.completed_at := CASE WHEN NEW.list = 'done' THEN coalesce(NEW.completed_at, clock_timestamp()) END;
  -- What was put among the loops comes back to them, until somebody puts it among what is to be done.
  NEW.loops := CASE NEW.list WHEN 'loop' THEN true WHEN 'todo' THEN false ELSE NEW.loops END;
  IF TG_OP = 'UPDATE' AND NEW.active_agent_id IS NULL AND OLD.active_agent_id IS NOT NULL THEN
    NEW.agent_session_status := 'INACTIVE';
  END IF;
  RETURN NEW;
END $$;

-- A session that goes with its task gives its worktree back.
CREATE FUNCTION hub_release_worktree() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  UPDATE git_worktrees SET active_task_count = greatest(0, active_task_count - 1), last_used_at = clock_timestamp() WHERE id = OLD.worktree_id;
  RETURN NULL;
END $$;
CREATE TRIGGER release_worktree AFTER DELETE ON agent_sessions FOR EACH ROW WHEN (OLD.worktree_id IS NOT NULL AND OLD.status IN ('starting', 'active')) EXECUTE FUNCTION hub_release_worktree();

SELECT set_config('hub.audit_publish', 'off', true);
UPDATE tasks SET loops = true WHERE list = 'loop';

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION hub_settle_task() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION hub_release_worktree() SET search_path = %I, pg_temp', current_schema());
END $$;
