-- The audit trail is written by one statement for all rows of a change, and finds the parents of a row by an index.
DROP FUNCTION hub_audit() CASCADE;
DROP TRIGGER count_usage_insert ON tasks;
DROP TRIGGER count_usage_update ON tasks;
DROP TRIGGER count_usage_delete ON tasks;
DROP FUNCTION hub_add_usage(VARCHAR[], VARCHAR[], VARCHAR[], VARCHAR[]);
DROP FUNCTION hub_steps(VARCHAR[], VARCHAR[]);
-- Linking an invitation to its user was no event, and left the user before.
UPDATE audit_scope s SET user_id = m.user_id FROM organization_memberships m
WHERE s.entity = 'organization_memberships' AND s.row_id = m.id AND s.user_id IS DISTINCT FROM m.user_id;

-- Columns that leave the database in no event.
CREATE FUNCTION hub_secrets(entity TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN entity IN ('workstations', 'agents') THEN ARRAY['registration_token', 'environment_vars'] ELSE ARRAY[]::TEXT[] END
$$;

-- The audit event of a row that was inserted (`old_row` is null), updated, or deleted (`new_row` is null). None, if nothing changed
-- that counts, or if the row belongs to something marked, with which it was deleted. Planned as a part of the statements that
-- call it: it is executed for every row that changes.
CREATE FUNCTION hub_event(table_name TEXT, id VARCHAR, old_row JSONB, new_row JSONB)
RETURNS TABLE (principal TEXT, organization_id VARCHAR, project_id VARCHAR, task_id VARCHAR, workstation_id VARCHAR, user_id VARCHAR,
  entity TEXT, row_id VARCHAR, operation audit_operation, before JSONB, after JSONB, touches_rights BOOLEAN, lane SMALLINT)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user),
    scope.organization_id, scope.project_id, scope.task_id, scope.workstation_id, scope.user_id, table_name, id, kind.operation,
    CASE kind.operation WHEN 'updated' THEN change.before ELSE version.old_row - kind.mark END - hub_secrets(table_name),
    CASE kind.operation WHEN 'updated' THEN change.after WHEN 'created' THEN version.new_row - kind.mark END - hub_secrets(table_name),
    CASE WHEN version.old_row IS NULL THEN table_name IN ('organization_memberships', 'project_workstations')
      WHEN version.new_row IS NULL THEN table_name = 'users' OR hub_rights(table_name) <> '{}'
      ELSE change.after ?| (hub_rights(table_name) || hub_secrets(table_name)) END,
    CASE WHEN coalesce(current_setting('hub.audit_publish', true), '') <> 'off' THEN hub_lane(table_name) END
  FROM (SELECT old_row, new_row OFFSET 0) AS version
  -- The columns of an update that changed.
  CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(key, version.old_row -> key) AS before, jsonb_object_agg(key, value) AS after
    FROM jsonb_each(version.new_row) WHERE version.old_row IS NOT NULL AND version.old_row -> key IS DISTINCT FROM value
  ) AS change
  -- A whole row does not have the mark, which says nothing of it: a deletion of these tables is an event by itself.
  CROSS JOIN LATERAL (
    SELECT CASE WHEN version.old_row IS NULL THEN 'created'
        WHEN version.new_row IS NULL OR (change.before -> 'deleted_at') = 'null' AND table_name NOT IN ('organizations', 'workstations') THEN 'deleted'
        ELSE 'updated' END::audit_operation AS operation,
      CASE WHEN table_name NOT IN ('organizations', 'workstations') THEN 'deleted_at' ELSE '' END AS mark
  ) AS kind
  LEFT JOIN LATERAL (SELECT * FROM audit_scope s WHERE s.entity = table_name AND s.row_id = id OFFSET 0) AS scope ON true
  WHERE CASE WHEN version.old_row IS NULL THEN true
    WHEN version.new_row IS NULL THEN NOT hub_is_marked(table_name, id, scope.organization_id, scope.project_id, scope.task_id)
    ELSE change.after ?| hub_secrets(table_name) OR change.after - hub_uncounted(table_name) <> '{}'
      AND (table_name NOT IN ('workstations', 'organization_memberships')
        OR hub_news(table_name, version.old_row) <> hub_news(table_name, version.new_row)) END
$$;

-- The audit trail is written in the transaction of each change. Other writers of the database need no grants for it. One
-- statement for all rows costs two thirds of one a row. The type of TG_TABLE_NAME has a collation with which no index can be used:
-- each function copies it into a text.
CREATE FUNCTION hub_audit_insert() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
  SELECT table_name, n.id, s.organization, s.project, s.task, s.workstation, s.person
  FROM new_rows n CROSS JOIN LATERAL hub_scope(table_name, to_jsonb(n)) s
  ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
    = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM new_rows n CROSS JOIN LATERAL hub_event(table_name, n.id, NULL, to_jsonb(n)) AS event;
  RETURN NULL;
END $$;

-- Cascades change a row twice in one statement, so that its versions belong together by their places, and events are written
-- in this order. A full join never becomes a nested loop, which a plan made for one row would be for 100,000.
CREATE FUNCTION hub_audit_update() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.*
  FROM (SELECT row_number() OVER () AS place, to_jsonb(o) AS json FROM old_rows o) AS former
  FULL JOIN (SELECT row_number() OVER () AS place, n.id, to_jsonb(n) AS json FROM new_rows n) AS latter USING (place)
  CROSS JOIN LATERAL hub_event(table_name, latter.id, former.json, latter.json) AS event ORDER BY place;
  RETURN NULL;
END $$;

-- Row by row: for workstations, because write-back changes the presence columns of thousands of them, which are no events; for
-- templates and actors, whose triggers change other rows of their table before the statement ends.
CREATE FUNCTION hub_audit_row() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM hub_event(table_name, NEW.id, to_jsonb(OLD), to_jsonb(NEW)) AS event;
  RETURN NULL;
END $$;

-- Arrays, so that no plan reads a whole table.
CREATE FUNCTION hub_audit_delete() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
BEGIN
  INSERT INTO audit_events (principal, organization_id, project_id, task_id, workstation_id, user_id, entity, row_id, operation, before, after, touches_rights, lane)
  SELECT event.* FROM old_rows o CROSS JOIN LATERAL hub_event(table_name, o.id, to_jsonb(o), NULL) AS event;
  DELETE FROM purges p WHERE p.entity = table_name AND p.row_id = ANY (ARRAY(SELECT id FROM old_rows));
  DELETE FROM audit_scope s WHERE s.entity = table_name AND s.row_id = ANY (ARRAY(SELECT id FROM old_rows));
  RETURN NULL;
END $$;

-- A row has parents, or other ones. A cascade deletes parents first: the changes of one row stay in the queue of one organization.
CREATE FUNCTION hub_move_row() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
  former VARCHAR := (SELECT s.organization_id FROM audit_scope s WHERE s.entity = table_name AND s.row_id = NEW.id);
  scope RECORD;
BEGIN
  SELECT * INTO scope FROM hub_scope(table_name, to_jsonb(NEW));
  IF former <> scope.organization THEN
    PERFORM hub_refuse('tenant_is_fixed', format('A row of %s never changes its organization.', table_name));
  END IF;
  INSERT INTO audit_scope (entity, row_id, organization_id, project_id, task_id, workstation_id, user_id)
  VALUES (table_name, NEW.id, coalesce(scope.organization, former), scope.project, scope.task, scope.workstation, scope.person)
  ON CONFLICT (entity, row_id) DO UPDATE SET (organization_id, project_id, task_id, workstation_id, user_id)
    = (excluded.organization_id, excluded.project_id, excluded.task_id, excluded.workstation_id, excluded.user_id);
  IF table_name = 'tasks' THEN
    PERFORM hub_move_scope(NEW.id, scope.project);
  END IF;
  RETURN NULL;
END $$;

-- Queues what the feed publishes, and wakes it. Events that a dump brings back are of no transaction here.
CREATE FUNCTION hub_queue_events() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO feed_queue (lane, organization_id, xid, next_id)
  SELECT lane, coalesce(organization_id, ''), xid, min(id) FROM new_events
  WHERE lane IS NOT NULL AND xid = pg_current_xact_id() GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING;
  -- Also when nothing is published: rights may have been lost.
  PERFORM pg_notify('hub_audit', '') FROM new_events WHERE lane IS NOT NULL OR touches_rights LIMIT 1;
  RETURN NULL;
END $$;

CREATE TRIGGER queue AFTER INSERT ON audit_events REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION hub_queue_events();

-- The number of tasks of each template and actor: per statement, rows locked in order, and only changed rows. Otherwise
-- every edit of a task would wait for its template. Gains and losses of a statement are summed up, without a join: cascades
-- change a task twice in one.
CREATE OR REPLACE FUNCTION hub_count_usage() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  templates JSONB;
  of_actors JSONB;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT jsonb_object_agg(template, step) FILTER (WHERE template IS NOT NULL), jsonb_object_agg(actor, step) FILTER (WHERE actor IS NOT NULL)
    INTO templates, of_actors FROM (
      SELECT workflow_template_id AS template, actor_id AS actor, sum(step) AS step FROM (
        SELECT workflow_template_id, actor_id, 1 AS step FROM new_tasks UNION ALL SELECT workflow_template_id, actor_id, -1 FROM old_tasks) AS used
      GROUP BY GROUPING SETS ((workflow_template_id), (actor_id)) HAVING sum(step) <> 0) AS changed;
  ELSE
    SELECT jsonb_object_agg(template, step) FILTER (WHERE template IS NOT NULL), jsonb_object_agg(actor, step) FILTER (WHERE actor IS NOT NULL)
    INTO templates, of_actors FROM (
      SELECT workflow_template_id AS template, actor_id AS actor, count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END AS step FROM changed_tasks
      GROUP BY GROUPING SETS ((workflow_template_id), (actor_id))) AS changed;
  END IF;
  IF templates IS NOT NULL OR of_actors IS NOT NULL THEN
    PERFORM hub_add_usage(templates, of_actors);
  END IF;
  RETURN NULL;
END $$;

-- Enters what deleted_at marks into the list of what is to be removed, and takes it off when it is restored.
CREATE OR REPLACE FUNCTION hub_mark() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  table_name CONSTANT TEXT := TG_TABLE_NAME;
  old_row JSONB := to_jsonb(OLD);
BEGIN
  IF NEW.deleted_at IS NULL THEN
    DELETE FROM purges WHERE entity = table_name AND row_id = NEW.id;
  ELSIF OLD.deleted_at IS NULL THEN
    INSERT INTO purges (entity, row_id, organization_id, project_id, name, principal, former, due_at)
    SELECT table_name, NEW.id, s.organization_id, s.project_id, coalesce(old_row ->> 'name', old_row ->> 'title', old_row ->> 'branch', old_row ->> 'main_path'),
      coalesce(nullif(current_setting('hub.principal', true), ''), 'db:' || session_user), CASE table_name WHEN 'projects' THEN hub_cleared(old_row) END,
      CASE WHEN table_name NOT IN ('organizations', 'projects') THEN clock_timestamp() END
    FROM (SELECT) AS one_row LEFT JOIN audit_scope s ON s.entity = table_name AND s.row_id = NEW.id
    ON CONFLICT DO NOTHING;
  END IF;
  RETURN NULL;
END $$;

-- Adds to the numbers, each by id.
CREATE FUNCTION hub_add_usage(templates JSONB, of_actors JSONB) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM workflow_templates WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(templates))) ORDER BY id FOR NO KEY UPDATE;
  UPDATE workflow_templates SET tasks_using_count = greatest(0, tasks_using_count + (templates ->> id)::INTEGER)
  WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(templates)));
  PERFORM FROM actors WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(of_actors))) ORDER BY id FOR NO KEY UPDATE;
  UPDATE actors SET tasks_assigned_count = greatest(0, tasks_assigned_count + (of_actors ->> id)::INTEGER)
  WHERE id = ANY (ARRAY(SELECT jsonb_object_keys(of_actors)));
END $$;

CREATE TRIGGER count_usage_insert AFTER INSERT ON tasks REFERENCING NEW TABLE AS changed_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_tasks NEW TABLE AS new_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();
CREATE TRIGGER count_usage_delete AFTER DELETE ON tasks REFERENCING OLD TABLE AS changed_tasks FOR EACH STATEMENT EXECUTE FUNCTION hub_count_usage();

DO $$
DECLARE
  entity TEXT;
  definition TEXT;
  -- The columns of a table that name parents of its rows, and the condition that one of them changed.
  parents TEXT;
  moved TEXT;
  audited CONSTANT TEXT[] := ARRAY['organizations', 'users', 'organization_memberships', 'agents', 'projects', 'project_repositories',
    'workstation_repositories', 'git_worktrees', 'project_workstations', 'workflow_templates', 'actors', 'tasks',
    'task_dependencies', 'task_agents', 'task_attachments', 'agent_sessions'];
  -- Their triggers change other rows of the same table.
  nesting CONSTANT TEXT[] := ARRAY['workflow_templates', 'actors'];
  columns CONSTANT TEXT := 'name, hostname, os, arch, platform_version, registration_token, dev_server_public_url, created_at, updated_at, deleted_at';
  news CONSTANT TEXT := '(OLD.status <> NEW.status AND ''suspended'' IN (OLD.status, NEW.status)) OR '
    || (SELECT string_agg(format('OLD.%1$s IS DISTINCT FROM NEW.%1$s', name), ' OR ' ORDER BY place)
      FROM unnest(string_to_array(columns, ', ')) WITH ORDINALITY AS listed (name, place));
BEGIN
  FOREACH entity IN ARRAY audited LOOP
    SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', attname), ' OR ' ORDER BY attnum), string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    INTO moved, parents FROM pg_attribute
    WHERE attrelid = entity::regclass AND attname IN ('project_id', 'task_id', 'workstation_id', 'user_id');
    IF parents IS NOT NULL THEN
      EXECUTE format('CREATE TRIGGER aa_move AFTER UPDATE OF %s ON %I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_move_row()', parents, entity, moved);
    END IF;
    CONTINUE WHEN entity = ANY (nesting);
    EXECUTE format('CREATE TRIGGER zz_audit_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_update()', entity);
  END LOOP;
  FOREACH entity IN ARRAY nesting LOOP
    EXECUTE format('CREATE TRIGGER aa_move_insert AFTER INSERT ON %I FOR EACH ROW EXECUTE FUNCTION hub_move_row()', entity);
    EXECUTE format('CREATE TRIGGER ab_audit AFTER INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION hub_audit_row()', entity);
  END LOOP;
  FOREACH entity IN ARRAY audited || ARRAY['workstations'] LOOP
    IF entity <> ALL (nesting) THEN
      EXECUTE format('CREATE TRIGGER zz_audit_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_insert()', entity);
    END IF;
    EXECUTE format('CREATE TRIGGER zz_audit_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION hub_audit_delete()', entity);
  END LOOP;
  EXECUTE format('CREATE TRIGGER zz_audit_update AFTER UPDATE OF status, %s ON workstations FOR EACH ROW WHEN (%s) EXECUTE FUNCTION hub_audit_row()', columns, news);
  -- Triggers must find this schema's tables under any search_path of the writer, and a definer's function no other tables.
  FOR definition IN
    SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname ~ '^hub_'
      AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definition, current_schema());
  END LOOP;
  -- Timestamps in the audit trail do not depend on the writer's time zone.
  FOREACH definition IN ARRAY ARRAY['insert', 'update', 'row', 'delete'] LOOP
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET timezone = %L', definition, 'UTC');
    -- Memoizing compares whole rows, which never repeat.
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET enable_memoize = off', definition);
    -- A session keeps its plans: one made for many rows would be compiled again for each single row.
    EXECUTE format('ALTER FUNCTION hub_audit_%s() SET jit = off', definition);
  END LOOP;
  -- A plan made while a table is small would read the whole table for each row later.
  FOREACH definition IN ARRAY ARRAY['hub_audit_insert', 'hub_audit_update', 'hub_audit_row', 'hub_audit_delete', 'hub_move_row', 'hub_mark'] LOOP
    EXECUTE format('ALTER FUNCTION %s() SET enable_seqscan = off', definition);
  END LOOP;
END $$;
