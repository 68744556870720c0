-- Users whose deletion concerns many memberships are marked too.
ALTER TABLE users ADD COLUMN deleted_at TIMESTAMPTZ(3);

CREATE OR REPLACE FUNCTION hub_rights(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE entity
    WHEN 'organizations' THEN ARRAY['deleted_at', 'monster_auth_client_id']
    WHEN 'users' THEN ARRAY['deleted_at']
    WHEN 'organization_memberships' THEN ARRAY['user_id', 'role', 'status']
    WHEN 'workstations' THEN ARRAY['status', 'deleted_at']
    WHEN 'projects' THEN ARRAY['status', 'deleted_at']
    WHEN 'project_workstations' THEN ARRAY['project_id', 'workstation_id']
    WHEN 'tasks' THEN ARRAY['project_id', 'deleted_at']
    ELSE ARRAY[]::TEXT[]
  END
$$;

CREATE OR REPLACE FUNCTION hub_free_name() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  CASE TG_TABLE_NAME
    WHEN 'project_repositories' THEN NEW.github_url := 'deleted:' || NEW.id;
    WHEN 'git_worktrees' THEN NEW.branch := 'deleted:' || NEW.id;
    WHEN 'agents' THEN NEW.name := 'deleted:' || NEW.id;
    WHEN 'users' THEN NEW.monster_auth_user_id := 'deleted:' || NEW.id;
  END CASE;
  RETURN NEW;
END $$;

CREATE TRIGGER mark AFTER UPDATE OF deleted_at ON users FOR EACH ROW WHEN (NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) EXECUTE FUNCTION hub_mark();
CREATE TRIGGER free_name BEFORE UPDATE OF deleted_at ON users FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL) EXECUTE FUNCTION hub_free_name();

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION hub_free_name() SET search_path = %I, pg_temp', current_schema());
END $$;
