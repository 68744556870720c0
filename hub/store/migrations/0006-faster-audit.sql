-- What every change of a row costs: rows are compared as rows, changed columns are collected once, and single expressions replace statements.
CREATE OR REPLACE FUNCTION hub_touch() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  has_uncounted BOOLEAN;
BEGIN
  NEW.updated_at := OLD.updated_at;
  -- Rows are compared as rows, which costs a tenth of their comparison as JSON.
  IF NEW IS NOT DISTINCT FROM OLD THEN
    RETURN NEW;
  END IF;
  IF TG_TABLE_NAME = 'tasks' THEN
    has_uncounted := NEW.dependency_count <> OLD.dependency_count;
  ELSE
    has_uncounted := TG_TABLE_NAME IN ('users', 'workstations', 'organization_memberships', 'agents', 'workflow_templates', 'actors');
  END IF;
  IF NOT has_uncounted OR hub_news(TG_TABLE_NAME, to_jsonb(NEW)) IS DISTINCT FROM hub_news(TG_TABLE_NAME, to_jsonb(OLD)) THEN
    NEW.updated_at := greatest(OLD.updated_at + interval '1 millisecond', clock_timestamp());
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION hub_audit() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  secrets CONSTANT TEXT[] := ARRAY['registration_token', 'environment_vars'];
  -- These columns name the parents of a row.
  parents CONSTANT TEXT[] := ARRAY['project_id', 'task_id', 'workstation_id', 'user_id'];
  -- A whole row does not have the mark, which says nothing of it: a deletion of these tables is an event by itself.
  mark CONSTANT TEXT := CASE WHEN TG_TABLE_NAME NOT IN ('organizations', 'workstations') THEN 'deleted_at' ELSE '' END;
  operation audit_operation := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END;
  changed_id VARCHAR := CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END;
  old_row JSONB;
  new_row JSONB;
  -- The columns of an update that changed, with their values before and after it.
  old_values JSONB;
  new_values JSONB;
  secret_changed BOOLEAN := false;
  who TEXT;
  scope RECORD;
  former VARCHAR;
  rights BOOLEAN := false;
  are_parents_kept BOOLEAN := false;
  event_lane SMALLINT := CASE WHEN coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN hub_lane(TG_TABLE_NAME) END;
  event BIGINT;
  queue TEXT;
BEGIN
  IF TG_OP = 'DELETE' THEN
    DELETE FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id
    RETURNING s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope;
    -- What is below a marked row was deleted with it: its removal is no further event.
    IF hub_is_marked(TG_TABLE_NAME, changed_id, scope.organization_id, scope.project_id, scope.task_id) THEN
      DELETE FROM purges p WHERE p.entity = TG_TABLE_NAME AND p.row_id = changed_id;
      RETURN NULL;
    END IF;
  END IF;
  old_row := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
  new_row := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
  IF TG_TABLE_NAME IN ('workstations', 'agents') THEN
    secret_changed := TG_OP = 'UPDATE' AND (old_row -> 'registration_token' IS DISTINCT FROM new_row -> 'registration_token'
      OR old_row -> 'environment_vars' IS DISTINCT FROM new_row -> 'environment_vars');
    old_row := old_row - secrets;
    new_row := new_row - secrets;
  END IF;
  who := coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user);
  IF TG_OP = 'UPDATE' THEN
    SELECT coalesce(jsonb_object_agg(key, old_row -> key), '{}'), coalesce(jsonb_object_agg(key, value), '{}') INTO old_values, new_values
    FROM jsonb_each(new_row) WHERE old_row -> key IS DISTINCT FROM value;
    IF NOT secret_changed AND new_values - hub_uncounted(TG_TABLE_NAME) = '{}'
      OR NOT secret_changed AND TG_TABLE_NAME IN ('workstations', 'organization_memberships')
        AND hub_news(TG_TABLE_NAME, old_row) = hub_news(TG_TABLE_NAME, new_row) THEN
      RETURN NULL;
    END IF;
    -- One expression each, where a statement would cost as much as all of them: this runs for every row that changes.
    rights := secret_changed OR new_values ?| hub_rights(TG_TABLE_NAME);
    are_parents_kept := NOT new_values ?| parents;
  END IF;
  IF TG_OP = 'DELETE' THEN
    rights := TG_TABLE_NAME = 'users' OR hub_rights(TG_TABLE_NAME) <> '{}';
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'organization_memberships'
    AND are_parents_kept THEN
    -- Not looked up again: a cascade also updates rows whose parents are deleted already. A membership names all its
    -- parents itself, and an invitation may have been linked to its user without an event.
    SELECT s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope
    FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id;
  ELSE
    SELECT s.organization AS organization_id, s.project AS project_id, s.task AS task_id, s.workstation AS workstation_id, s.person AS user_id
    INTO scope FROM hub_scope(TG_TABLE_NAME, new_row) s;
    IF TG_OP = 'UPDATE' THEN
      SELECT s.organization_id INTO former FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id;
      IF former <> scope.organization_id THEN
        PERFORM hub_refuse('tenant_is_fixed', format('A row of %s never changes its organization.', TG_TABLE_NAME));
      END IF;
      -- A cascade deletes parents first. The changes of one row stay in the queue of one organization.
      scope.organization_id := coalesce(scope.organization_id, former);
    END IF;
    INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
    VALUES (TG_TABLE_NAME, changed_id, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id)
    ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
      = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'tasks' THEN
      PERFORM hub_move_scope(changed_id, scope.project_id);
    END IF;
    rights := rights OR TG_OP = 'INSERT' AND TG_TABLE_NAME IN ('organization_memberships', 'project_workstations');
  END IF;
  IF TG_OP = 'UPDATE' AND mark <> '' AND old_row ->> 'deleted_at' IS NULL AND new_row ->> 'deleted_at' IS NOT NULL THEN
    operation := 'deleted';
  END IF;
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  VALUES (
    who, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, TG_TABLE_NAME, changed_id,
    operation,
    CASE operation WHEN 'updated' THEN old_values ELSE old_row - mark END,
    CASE operation WHEN 'updated' THEN new_values WHEN 'created' THEN new_row - mark END,
    rights, event_lane
  ) RETURNING id INTO event;
  IF event_lane IS NOT NULL THEN
    queue := event_lane || ' ' || coalesce(scope.organization_id, '') || ' ' || pg_current_xact_id();
    -- Known within the transaction: a rollback to a savepoint takes both back.
    IF current_setting('hub.queued', true) IS DISTINCT FROM queue THEN
      INSERT INTO feed_queue (lane, organization_id, xid, next_id)
      VALUES (event_lane, coalesce(scope.organization_id, ''), pg_current_xact_id(), event) ON CONFLICT DO NOTHING;
      PERFORM set_config('hub.queued', queue, true);
    END IF;
  END IF;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '');
  RETURN NULL;
END $$;

DROP FUNCTION hub_changed(JSONB, JSONB);

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION hub_touch() SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION hub_audit() SET search_path = %I, pg_temp', current_schema());
  ALTER FUNCTION hub_audit() SET timezone = 'UTC';
END $$;
