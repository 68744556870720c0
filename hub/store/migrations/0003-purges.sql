-- Deletions mark and answer; what is marked is removed in small batches.
ALTER TABLE agents ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE projects ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE project_repositories ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE workstation_repositories ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE git_worktrees ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE workflow_templates ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE actors ADD COLUMN deleted_at TIMESTAMPTZ(3);
ALTER TABLE tasks ADD COLUMN deleted_at TIMESTAMPTZ(3);

-- What is deleted and not removed yet: marked by deleted_at, which a trigger enters here, and removed by the hub in small batches.
-- Organizations and projects can be restored until their removal has started.
CREATE TABLE purges (
  entity TEXT NOT NULL,
  row_id VARCHAR(40) NOT NULL,
  organization_id VARCHAR(40),
  project_id VARCHAR(40),
  name TEXT,
  -- Who marked it.
  principal TEXT NOT NULL,
  marked_at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
  -- Columns that the mark cleared.
  former JSONB,
  -- When the removal may start; NULL: of an organization or a project, to which no hub has given a time yet.
  due_at TIMESTAMPTZ(3),
  started_at TIMESTAMPTZ(3),
  removed BIGINT NOT NULL DEFAULT 0,
  -- An estimate of the rows to remove, made at the start.
  expected BIGINT,
  -- The node that removes, and until when no other node takes over.
  node_id TEXT,
  held_until TIMESTAMPTZ(3),
  last_error TEXT,
  failed_at TIMESTAMPTZ(3),
  PRIMARY KEY (entity, row_id)
);
CREATE INDEX idx_purges_organization ON purges (organization_id);
-- Organizations in turn, of each the mark that waits longest.
CREATE INDEX idx_purges_turn ON purges (coalesce(organization_id, ''), coalesce(held_until, due_at));
CREATE INDEX idx_purges_held ON purges (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX idx_purges_due ON purges (due_at);
CREATE INDEX idx_purges_restorable ON purges (marked_at) WHERE started_at IS NULL AND entity IN ('organizations', 'projects');
CREATE INDEX idx_purges_failed ON purges (failed_at) WHERE last_error IS NOT NULL;

CREATE INDEX idx_org_memberships_invited_by ON organization_memberships (invited_by) WHERE invited_by IS NOT NULL;
CREATE INDEX idx_organizations_default_template ON organizations (default_workflow_template_id) WHERE default_workflow_template_id IS NOT NULL;

-- Whether a row, or what it belongs to, is deleted and not removed yet.
CREATE FUNCTION hub_is_marked(table_name TEXT, id VARCHAR, organization VARCHAR, project VARCHAR, task VARCHAR) RETURNS BOOLEAN LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
  RETURN EXISTS (SELECT FROM purges p WHERE (p.entity, p.row_id) IN (
    (table_name, id), ('organizations', organization), ('projects', project), ('tasks', task)));
END $$;

CREATE OR REPLACE FUNCTION hub_rights(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'organizations' THEN ARRAY['deleted_at', 'monster_auth_client_id']
    WHEN 'organization_memberships' THEN ARRAY['user_id', 'role', 'status']
    WHEN 'workstations' THEN ARRAY['status', 'deleted_at']
    WHEN 'projects' THEN ARRAY['status', 'deleted_at']
    WHEN 'project_workstations' THEN ARRAY['project_id', 'workstation_id']
    WHEN 'tasks' THEN ARRAY['project_id', 'deleted_at']
    ELSE ARRAY[]::TEXT[]
  END
$$;

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
  secret_changed BOOLEAN;
  who TEXT;
  scope RECORD;
  rights BOOLEAN;
  event BIGINT;
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
  old_row := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - secrets END;
  new_row := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - secrets END;
  secret_changed := TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ('workstations', 'agents')
    AND (to_jsonb(OLD) -> 'registration_token' IS DISTINCT FROM to_jsonb(NEW) -> 'registration_token'
      OR to_jsonb(OLD) -> 'environment_vars' IS DISTINCT FROM to_jsonb(NEW) -> 'environment_vars');
  who := coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user);
  IF TG_OP = 'UPDATE' AND NOT secret_changed AND hub_news(TG_TABLE_NAME, old_row) = hub_news(TG_TABLE_NAME, new_row) THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' THEN
    rights := TG_TABLE_NAME = 'users' OR hub_rights(TG_TABLE_NAME) <> '{}';
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'organization_memberships'
    AND NOT EXISTS (SELECT FROM unnest(parents) f WHERE old_row -> f IS DISTINCT FROM new_row -> f) THEN
    -- Not looked up again: a cascade also updates rows whose parents are deleted already. A membership names all its
    -- parents itself, and an invitation may have been linked to its user without an event.
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
  IF TG_OP = 'UPDATE' AND mark <> '' AND old_row ->> 'deleted_at' IS NULL AND new_row ->> 'deleted_at' IS NOT NULL THEN
    operation := 'deleted';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    rights := secret_changed OR EXISTS (SELECT FROM unnest(hub_rights(TG_TABLE_NAME)) f WHERE old_row -> f IS DISTINCT FROM new_row -> f);
  END IF;
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights)
  VALUES (
    who, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, TG_TABLE_NAME, changed_id,
    operation,
    CASE operation WHEN 'updated' THEN hub_changed(old_row, new_row) ELSE old_row - mark END,
    CASE operation WHEN 'updated' THEN hub_changed(new_row, old_row) WHEN 'created' THEN new_row - mark END,
    rights
  ) RETURNING id INTO event;
  IF coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN
    INSERT INTO audit_pending VALUES (event);
  END IF;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '');
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION hub_count_dependencies() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  task VARCHAR;
BEGIN
  FOR task IN
    SELECT DISTINCT id FROM unnest(ARRAY[
      CASE WHEN TG_OP <> 'INSERT' THEN OLD.task_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.task_id END
    ]) AS id WHERE id IS NOT NULL ORDER BY id
  LOOP
    -- Nobody counts for a task that is to be removed.
    CONTINUE WHEN EXISTS (
      SELECT FROM tasks t JOIN projects p ON p.id = t.project_id WHERE t.id = task AND hub_is_marked('tasks', t.id, p.organization_id, p.id, NULL)
    );
    PERFORM FROM tasks WHERE id = task FOR NO KEY UPDATE;
    UPDATE tasks SET dependency_count = (SELECT count(*) FROM task_dependencies WHERE task_id = task AND status = 'active')
    WHERE id = task;
  END LOOP;
  RETURN NULL;
END $$;

-- Enters what deleted_at marks into the list of what is to be removed, and takes it off when it is restored.
CREATE FUNCTION hub_mark() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  old_row JSONB := to_jsonb(OLD);
BEGIN
  IF NEW.deleted_at IS NULL THEN
    DELETE FROM purges WHERE entity = TG_TABLE_NAME AND row_id = NEW.id;
  ELSIF OLD.deleted_at IS NULL THEN
    INSERT INTO purges (entity, row_id, organization_id, project_id, name, principal, former, due_at)
    SELECT TG_TABLE_NAME, NEW.id, s.organization_id, s.project_id, coalesce(old_row ->> 'name', old_row ->> 'title', old_row ->> 'branch', old_row ->> 'main_path'),
      coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user), CASE TG_TABLE_NAME WHEN 'projects' THEN hub_cleared(old_row) END,
      CASE WHEN TG_TABLE_NAME NOT IN ('organizations', 'projects') THEN clock_timestamp() END
    FROM (SELECT) AS one_row LEFT JOIN audit_scope s ON s.entity = TG_TABLE_NAME AND s.row_id = NEW.id
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;

-- What the mark of a project clears, and its restoration brings back.
CREATE FUNCTION hub_cleared(project JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('slug', project -> 'slug', 'status', project -> 'status')
$$;

-- A deleted project is not active to anybody who asks for active ones, and its slug is free.
CREATE FUNCTION hub_hide_project() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
    NEW.slug := NULL;
    NEW.status := 'archived';
  ELSIF NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL THEN
    -- A mark that was set without triggers is not on the list, and cleared nothing.
    SELECT coalesce(p.former ->> 'slug', NEW.slug), coalesce((p.former ->> 'status')::project_status, NEW.status) INTO NEW.slug, NEW.status
    FROM (SELECT) AS one_row LEFT JOIN purges p ON p.entity = 'projects' AND p.row_id = NEW.id;
  END IF;
  RETURN NEW;
END $$;

-- A deleted row leaves its unique name to others.
CREATE FUNCTION hub_free_name() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'project_repositories' THEN NEW.github_url := 'deleted:' || NEW.id;
    WHEN 'git_worktrees' THEN NEW.branch := 'deleted:' || NEW.id;
    WHEN 'agents' THEN NEW.name := 'deleted:' || NEW.id;
  END CASE;
  RETURN NEW;
END $$;

CREATE TRIGGER hide BEFORE UPDATE OF deleted_at ON projects FOR EACH ROW EXECUTE FUNCTION hub_hide_project();

DO $$
DECLARE
  entity TEXT;
  definition TEXT;
BEGIN
  FOREACH entity IN ARRAY ARRAY['organizations', 'agents', 'projects', 'project_repositories', 'workstation_repositories', 'git_worktrees',
    'workflow_templates', 'actors', 'tasks'] LOOP
    EXECUTE format('CREATE TRIGGER mark AFTER UPDATE OF deleted_at ON %I FOR EACH ROW WHEN (NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) EXECUTE FUNCTION hub_mark()', entity);
  END LOOP;
  FOREACH entity IN ARRAY ARRAY['agents', 'project_repositories', 'git_worktrees'] LOOP
    EXECUTE format('CREATE TRIGGER free_name BEFORE UPDATE OF deleted_at ON %I FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION hub_free_name()', entity);
  END LOOP;
  FOR definition IN
    SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^hub_'
      AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definition, current_schema());
  END LOOP;
  ALTER FUNCTION hub_audit() SET timezone = 'UTC';
END $$;

-- What was deleted before can be restored from now on, for as long as what is deleted later.
INSERT INTO purges (entity, row_id, organization_id, name, principal)
SELECT 'organizations', id, id, name, 'service:hub' FROM organizations WHERE deleted_at IS NOT NULL;
