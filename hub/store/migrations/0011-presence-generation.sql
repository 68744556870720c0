-- A generation begins each time Redis loses data. A presence is newer than another if its generation is, or, in the same generation, its
-- revision. The default 0 is older than each generation.
ALTER TABLE workstations ADD COLUMN presence_generation BIGINT NOT NULL DEFAULT 0 CHECK (presence_generation >= 0);

-- Safe integers of JavaScript. The return to 0010 keeps the sequence: no number is drawn twice.
CREATE SEQUENCE IF NOT EXISTS presence_generations MAXVALUE 9007199254740991;

CREATE OR REPLACE FUNCTION hub_uncounted(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'users' THEN ARRAY['updated_at', 'last_active_at']
    WHEN 'workstations' THEN ARRAY['updated_at', 'cli_version', 'last_ip_address', 'last_user_agent', 'last_seen_at',
      'last_heartbeat_at', 'realtime_member_key', 'realtime_presence_meta', 'presence_generation', 'presence_revision', 'dev_server_enabled', 'dev_server_port']
    WHEN 'agents' THEN ARRAY['updated_at', 'tasks_completed', 'total_execution_time', 'last_task_pushed_at']
    WHEN 'workflow_templates' THEN ARRAY['updated_at', 'tasks_using_count']
    WHEN 'actors' THEN ARRAY['updated_at', 'tasks_assigned_count']
    WHEN 'tasks' THEN ARRAY['updated_at', 'dependency_count']
    ELSE ARRAY['updated_at']
  END
$$;
