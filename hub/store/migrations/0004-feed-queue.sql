-- The change feed publishes by organization, and sets aside what can't be published.

ALTER TYPE audit_operation ADD VALUE 'republished';
ALTER TABLE audit_events ADD COLUMN nonce INTEGER NOT NULL DEFAULT 0, ADD COLUMN lane SMALLINT;
ALTER TABLE audit_events ALTER COLUMN nonce SET DEFAULT floor(random() * 2147483648)::integer;
CREATE INDEX idx_audit_events_lane ON audit_events (xid, lane, (coalesce(organization_id, '')), id) WHERE lane IS NOT NULL;

-- What is not published yet: a row for each transaction, lane and organization, whose events with a lane follow in `audit_events`.
-- One row and not one an event: what a transaction has not committed must cost the organizations that wait beside it nothing.
-- Changes of rights and assignments are in lane 0, which is published first; a table has one lane, so that the changes of one
-- row stay in one queue. The queue of what belongs to no organization is ''.
CREATE TABLE feed_queue (
  lane SMALLINT NOT NULL CHECK (lane IN (0, 1)),
  organization_id VARCHAR(40) NOT NULL,
  xid XID8 NOT NULL,
  -- The first event of the transaction that is not published.
  next_id BIGINT NOT NULL,
  PRIMARY KEY (lane, organization_id, xid)
);
CREATE INDEX idx_feed_queue_next ON feed_queue (lane, organization_id, next_id);
-- Whether an event waits: it is not trimmed then.
CREATE INDEX idx_feed_queue_xid ON feed_queue (xid);

-- The hub that publishes, of those with one Redis. It saves work alone: two that publish at once publish the same ids.
CREATE TABLE feed_turn (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  holder TEXT NOT NULL,
  until TIMESTAMPTZ(3) NOT NULL
);

-- Changes that could not be published for a reason of their own. `feed.republish` publishes what their rows are by then.
CREATE TABLE feed_refused (
  id BIGINT PRIMARY KEY REFERENCES audit_events (id) ON DELETE CASCADE,
  organization_id VARCHAR(40),
  code TEXT NOT NULL,
  reason TEXT NOT NULL,
  refused_at TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX idx_feed_refused_organization ON feed_refused (organization_id, id);

-- The lane of a table's changes in the feed.
CREATE FUNCTION hub_lane(entity TEXT) RETURNS SMALLINT LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN entity IN ('organizations', 'users', 'organization_memberships', 'projects', 'workstations', 'project_workstations',
    'agent_sessions') THEN 0 ELSE 1 END::smallint
$$;

-- What waits is carried over.
UPDATE audit_events SET lane = hub_lane(entity) FROM audit_pending pending WHERE pending.id = audit_events.id;
INSERT INTO feed_queue (lane, organization_id, xid, next_id)
SELECT lane, coalesce(organization_id, ''), xid, min(audit_events.id) FROM audit_events JOIN audit_pending USING (id) GROUP BY 1, 2, 3;
DROP TABLE audit_pending;

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
  former VARCHAR;
  rights BOOLEAN;
  event_lane SMALLINT := CASE WHEN coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN hub_lane(TG_TABLE_NAME) END;
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
    rights := TG_TABLE_NAME IN ('organization_memberships', 'project_workstations');
  END IF;
  IF TG_OP = 'UPDATE' AND mark <> '' AND old_row ->> 'deleted_at' IS NULL AND new_row ->> 'deleted_at' IS NOT NULL THEN
    operation := 'deleted';
  END IF;
  IF TG_OP = 'UPDATE' THEN
    rights := secret_changed OR EXISTS (SELECT FROM unnest(hub_rights(TG_TABLE_NAME)) f WHERE old_row -> f IS DISTINCT FROM new_row -> f);
  END IF;
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  VALUES (
    who, scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, TG_TABLE_NAME, changed_id,
    operation,
    CASE operation WHEN 'updated' THEN hub_changed(old_row, new_row) ELSE old_row - mark END,
    CASE operation WHEN 'updated' THEN hub_changed(new_row, old_row) WHEN 'created' THEN new_row - mark END,
    rights, event_lane
  ) RETURNING id INTO event;
  IF event_lane IS NOT NULL THEN
    INSERT INTO feed_queue (lane, organization_id, xid, next_id)
    VALUES (event_lane, coalesce(scope.organization_id, ''), pg_current_xact_id(), event) ON CONFLICT DO NOTHING;
  END IF;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '');
  RETURN NULL;
END $$;

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION hub_audit() SET search_path = %I, pg_temp', current_schema());
  ALTER FUNCTION hub_audit() SET timezone = 'UTC';
END $$;
