-- The change feed: whom a change concerns is kept with it, and which changes rights hang on.

ALTER TABLE audit_events ADD COLUMN task_id VARCHAR(40), ADD COLUMN workstation_id VARCHAR(40), ADD COLUMN user_id VARCHAR(40),
  ADD COLUMN touches_rights BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE audit_scope ADD COLUMN task_id VARCHAR(40), ADD COLUMN workstation_id VARCHAR(40), ADD COLUMN user_id VARCHAR(40);
CREATE INDEX idx_audit_events_rights ON audit_events (xid) WHERE touches_rights;

UPDATE audit_scope scope SET task_id = row_id WHERE entity = 'tasks';
UPDATE audit_scope scope SET workstation_id = row_id WHERE entity = 'workstations';
UPDATE audit_scope scope SET user_id = row_id WHERE entity = 'users';
UPDATE audit_scope scope SET user_id = m.user_id FROM organization_memberships m WHERE entity = 'organization_memberships' AND row_id = m.id;
UPDATE audit_scope scope SET workstation_id = a.workstation_id FROM agents a WHERE entity = 'agents' AND row_id = a.id;
UPDATE audit_scope scope SET workstation_id = p.workstation_id FROM project_workstations p WHERE entity = 'project_workstations' AND row_id = p.id;
UPDATE audit_scope scope SET workstation_id = w.workstation_id FROM workstation_repositories w WHERE entity = 'workstation_repositories' AND row_id = w.id;
UPDATE audit_scope scope SET workstation_id = w.workstation_id FROM git_worktrees g JOIN workstation_repositories w ON w.id = g.workstation_repository_id
  WHERE entity = 'git_worktrees' AND row_id = g.id;
UPDATE audit_scope scope SET task_id = d.task_id FROM task_dependencies d WHERE entity = 'task_dependencies' AND row_id = d.id;
UPDATE audit_scope scope SET task_id = a.task_id FROM task_agents a WHERE entity = 'task_agents' AND row_id = a.id;
UPDATE audit_scope scope SET task_id = a.task_id FROM task_attachments a WHERE entity = 'task_attachments' AND row_id = a.id;
UPDATE audit_scope scope SET task_id = s.task_id FROM agent_sessions s WHERE entity = 'agent_sessions' AND row_id = s.id;

DROP FUNCTION hub_scope(TEXT, JSONB);
CREATE FUNCTION hub_scope(entity TEXT, entry JSONB, OUT organization VARCHAR, OUT project VARCHAR, OUT task VARCHAR, OUT workstation VARCHAR, OUT person VARCHAR)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  task := CASE entity WHEN 'tasks' THEN entry ->> 'id' ELSE entry ->> 'task_id' END;
  workstation := CASE entity WHEN 'workstations' THEN entry ->> 'id' ELSE entry ->> 'workstation_id' END;
  person := CASE entity WHEN 'users' THEN entry ->> 'id' ELSE entry ->> 'user_id' END;
  CASE
    WHEN entity = 'organizations' THEN organization := entry ->> 'id';
    WHEN entity = 'users' THEN organization := NULL;
    WHEN entity = 'projects' THEN
      organization := entry ->> 'organization_id';
      project := entry ->> 'id';
    WHEN entry ? 'organization_id' THEN organization := entry ->> 'organization_id';
    WHEN entity = 'workstation_repositories' THEN
      SELECT p.organization_id, p.id INTO organization, project
      FROM project_repositories r JOIN projects p ON p.id = r.project_id WHERE r.id = entry ->> 'project_repository_id';
    WHEN entity = 'git_worktrees' THEN
      SELECT p.organization_id, p.id, w.workstation_id INTO organization, project, workstation
      FROM workstation_repositories w JOIN project_repositories r ON r.id = w.project_repository_id
      JOIN projects p ON p.id = r.project_id WHERE w.id = entry ->> 'workstation_repository_id';
    WHEN entry ? 'project_id' THEN
      SELECT p.organization_id, p.id INTO organization, project FROM projects p WHERE p.id = entry ->> 'project_id';
    WHEN entry ? 'task_id' THEN
      SELECT p.organization_id, p.id INTO organization, project
      FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = entry ->> 'task_id';
    WHEN entry ? 'workstation_id' THEN
      SELECT w.organization_id INTO organization FROM workstations w WHERE w.id = entry ->> 'workstation_id';
  END CASE;
END $$;

CREATE FUNCTION hub_rights(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'organizations' THEN ARRAY['deleted_at', 'monster_auth_client_id']
    WHEN 'organization_memberships' THEN ARRAY['user_id', 'role', 'status']
    WHEN 'workstations' THEN ARRAY['status', 'deleted_at']
    WHEN 'projects' THEN ARRAY['status']
    WHEN 'project_workstations' THEN ARRAY['project_id', 'workstation_id']
    WHEN 'tasks' THEN ARRAY['project_id']
    ELSE ARRAY[]::TEXT[]
  END
$$;

CREATE OR REPLACE FUNCTION hub_audit() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  secrets CONSTANT TEXT[] := ARRAY['registration_token', 'environment_vars'];
  -- What these name is what a row belongs to.
  parents CONSTANT TEXT[] := ARRAY['project_id', 'task_id', 'workstation_id', 'user_id'];
  old_row JSONB := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - secrets END;
  new_row JSONB := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - secrets END;
  secret_changed BOOLEAN := TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ('workstations', 'agents')
    AND (to_jsonb(OLD) -> 'registration_token' IS DISTINCT FROM to_jsonb(NEW) -> 'registration_token'
      OR to_jsonb(OLD) -> 'environment_vars' IS DISTINCT FROM to_jsonb(NEW) -> 'environment_vars');
  who TEXT := coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user);
  changed_id VARCHAR := coalesce(new_row, old_row) ->> 'id';
  scope RECORD;
  rights BOOLEAN;
  event BIGINT;
BEGIN
  IF TG_OP = 'UPDATE' AND NOT secret_changed AND hub_news(TG_TABLE_NAME, old_row) = hub_news(TG_TABLE_NAME, new_row) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    DELETE FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id
    RETURNING s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope;
    rights := TG_TABLE_NAME = 'users' OR hub_rights(TG_TABLE_NAME) <> '{}';
  ELSIF TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM unnest(parents) f WHERE old_row -> f IS DISTINCT FROM new_row -> f) THEN
    -- Not looked up anew: a cascade also updates rows whose parents are gone already.
    SELECT s.organization_id, s.project_id, s.task_id, s.workstation_id, s.user_id INTO scope
    FROM audit_scope s WHERE s.entity = TG_TABLE_NAME AND s.row_id = changed_id;
  ELSE
    SELECT s.organization AS organization_id, s.project AS project_id, s.task AS task_id, s.workstation AS workstation_id, s.person AS user_id
    INTO scope FROM hub_scope(TG_TABLE_NAME, new_row) s;
    INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
    VALUES (TG_TABLE_NAME, changed_id, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id)
    ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
      = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'tasks' THEN
      PERFORM hub_move_scope(changed_id, scope.project_id);
    END IF;
    rights := TG_TABLE_NAME IN ('organization_memberships', 'project_workstations');
  END IF;
  IF TG_OP = 'UPDATE' THEN
    rights := secret_changed OR EXISTS (SELECT FROM unnest(hub_rights(TG_TABLE_NAME)) f WHERE old_row -> f IS DISTINCT FROM new_row -> f);
  END IF;
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights)
  VALUES (
    who, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, TG_TABLE_NAME, changed_id,
    CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END::audit_operation,
    CASE TG_OP WHEN 'UPDATE' THEN hub_changed(old_row, new_row) ELSE old_row END,
    CASE TG_OP WHEN 'UPDATE' THEN hub_changed(new_row, old_row) ELSE new_row END,
    rights
  ) RETURNING id INTO event;
  IF coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN
    INSERT INTO audit_pending VALUES (event);
  END IF;
  -- Also where nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '');
  RETURN NULL;
END $$;

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION hub_scope SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION hub_audit SET search_path = %I, pg_temp', current_schema());
END $$;
ALTER FUNCTION hub_audit() SET timezone = 'UTC';
