-- The address that an invitation went to is kept with it, and nothing of the row tells its organization when the address
-- turns out to be somebody's.

ALTER TABLE organization_memberships ADD COLUMN invited_email VARCHAR(255);
CREATE UNIQUE INDEX one_invitation ON organization_memberships (organization_id, invited_email) WHERE status = 'invited';

CREATE OR REPLACE FUNCTION hub_news(entity TEXT, entry JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN entity = 'workstations'
      THEN (entry - hub_uncounted(entity)) || jsonb_build_object('status', CASE entry ->> 'status' WHEN 'suspended' THEN 'suspended' ELSE 'active' END)
    WHEN entity = 'organization_memberships' AND entry ->> 'status' = 'invited'
      THEN entry - hub_uncounted(entity) - ARRAY['user_id', 'invited_email']
    ELSE entry - hub_uncounted(entity)
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
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'organization_memberships'
    AND NOT EXISTS (SELECT FROM unnest(parents) f WHERE old_row -> f IS DISTINCT FROM new_row -> f) THEN
    -- Not looked up anew: a cascade also updates rows whose parents are gone already. A membership names all it belongs to,
    -- and as an invitation may have found its person without an event.
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
  EXECUTE format('ALTER FUNCTION hub_audit SET search_path = %I, pg_temp', current_schema());
END $$;
ALTER FUNCTION hub_audit() SET timezone = 'UTC';

-- Only addresses that were invited: that of the row that holds an invitation's place, or held it until it found its person,
-- as the trail tells. What a person's own row says is not proven. Of two invitations of one address the first has it.
WITH addressed AS (
  SELECT m.id, m.organization_id, place.email
  FROM organization_memberships m JOIN users place ON place.id = m.user_id
  WHERE m.status = 'invited' AND starts_with(place.monster_auth_user_id, 'pending:')
  UNION ALL
  SELECT m.id, m.organization_id, place.before ->> 'email'
  FROM organization_memberships m
  JOIN audit_events merged ON merged.row_id = m.id AND merged.entity = 'organization_memberships' AND merged.operation = 'updated'
  JOIN audit_events place ON place.row_id = merged.before ->> 'user_id' AND place.entity = 'users' AND place.operation = 'deleted'
  WHERE m.status = 'invited'
), first AS (
  SELECT DISTINCT ON (organization_id, email) id, email FROM addressed ORDER BY organization_id, email, id
)
UPDATE organization_memberships m SET invited_email = first.email FROM first WHERE first.id = m.id;
