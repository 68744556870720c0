-- Room on each page for the new version of a row: an update that changes no indexed column then enters no index.
ALTER TABLE tasks SET (fillfactor = 85);

-- Each transaction adds a row to the queue and removes it, and a trim removes many events at once: their dead rows must not wait for a
-- share of the table.
ALTER TABLE feed_queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE audit_events SET (autovacuum_vacuum_scale_factor = 0.01);

-- Tasks change in masses: their columns are compared one by one, which costs a seventh of comparing rows as JSON. The events are
-- those of hub_audit_update.
DO $do$
DECLARE
  compared CONSTANT TEXT[] := ARRAY['id', 'project_id', 'title', 'description', 'refined_title', 'refined_description', 'priority', 'list',
    'list_order', 'mode', 'workflow_template_id', 'workflow_config', 'project_repository_id', 'target_branch', 'actor_id', 'ready',
    'agent_session_status', 'active_agent_id', 'last_agent_session_id', 'plan_solution', 'plan_spec', 'plan_steps', 'review_instructions',
    'review_feedback', 'review_attachments', 'dependency_count', 'created_at', 'updated_at', 'completed_at', 'workflow_step', 'loops',
    'last_error', 'deleted_at'];
  differing CONSTANT TEXT := 'CASE WHEN o.%1$I IS DISTINCT FROM n.%1$I THEN jsonb_build_object(%1$L, %2$s.%1$I) ELSE ''{}'' END';
  former TEXT;
  latter TEXT;
BEGIN
  SELECT string_agg(format(differing, name, 'o'), E' ||\n      ' ORDER BY place), string_agg(format(differing, name, 'n'), E' ||\n      ' ORDER BY place)
  INTO former, latter FROM unnest(compared) WITH ORDINALITY AS listed (name, place);
  -- The event of a task that is marked as deleted has its whole row.
  EXECUTE format($function$
CREATE FUNCTION hub_audit_tasks() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER
SET search_path = %1$I, pg_temp SET timezone = 'UTC' SET enable_memoize = off SET jit = off SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.*
  FROM (SELECT row_number() OVER () AS hub_place, * FROM old_rows) AS o
  FULL JOIN (SELECT row_number() OVER () AS hub_place, * FROM new_rows) AS n USING (hub_place)
  CROSS JOIN LATERAL hub_event('tasks', n.id,
      CASE WHEN o.deleted_at IS NULL AND n.deleted_at IS NOT NULL THEN to_jsonb(o) - 'hub_place' ELSE
      %2$s END,
      %3$s) AS event ORDER BY hub_place;
  RETURN NULL;
END $$
$function$, current_schema(), former, latter);
END $do$;
-- Waits for writers, and stops no reader.
CREATE OR REPLACE TRIGGER zz_audit_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_tasks();

-- TRUNCATE has no rows, so that its deletions would reach no subscriber, no trail and no counter.
CREATE FUNCTION hub_refuse_truncate() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM hub_refuse('no_truncate', format('TRUNCATE of %s can''t be published. Use DELETE.', TG_TABLE_NAME));
  RETURN NULL;
END $$;
DO $do$
DECLARE
  entity TEXT;
BEGIN
  EXECUTE format('ALTER FUNCTION hub_refuse_truncate() SET search_path = %I, pg_temp', current_schema());
  FOR entity IN SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgname = 'zz_audit_delete' AND tgrelid IN
    (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace) LOOP
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION hub_refuse_truncate()', entity);
  END LOOP;
END $do$;
