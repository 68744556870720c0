-- The audit trail keeps values over 8 KiB as their size and digest: a description of 250 KB would cost half a megabyte with
-- each change, before and after it.
ALTER TABLE audit_events ADD COLUMN omitted JSONB;

-- The values of a row that are too large, by column: bytes and SHA-256 of a text as it is, of JSON as Postgres writes it.
CREATE FUNCTION hub_large(entry JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(jsonb_object_agg(key, jsonb_build_object(
    'bytes', octet_length(convert_to(entry ->> key, 'UTF8')), 'sha256', encode(sha256(convert_to(entry ->> key, 'UTF8')), 'hex'))), '{}')
  FROM jsonb_each(entry) WHERE octet_length(value::text) > 8192
$$;

CREATE FUNCTION hub_omit_large() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  NEW.omitted := nullif(jsonb_build_object('before', hub_large(NEW.before), 'after', hub_large(NEW.after)), '{"before": {}, "after": {}}');
  NEW.before := NEW.before - ARRAY(SELECT jsonb_object_keys(NEW.omitted -> 'before'));
  NEW.after := NEW.after - ARRAY(SELECT jsonb_object_keys(NEW.omitted -> 'after'));
  RETURN NEW;
END $$;

CREATE TRIGGER omit_large BEFORE INSERT ON audit_events FOR EACH ROW
  WHEN (octet_length(NEW.before::text) > 8192 OR octet_length(NEW.after::text) > 8192) EXECUTE FUNCTION hub_omit_large();
DO $$ BEGIN
  EXECUTE format('ALTER FUNCTION hub_omit_large() SET search_path = %I, pg_temp', current_schema());
END $$;

-- What waits to be published is published as later changes are.
UPDATE audit_events SET omitted = jsonb_build_object('before', hub_large(before), 'after', hub_large(after)),
  before = before - ARRAY(SELECT jsonb_object_keys(hub_large(before))), after = after - ARRAY(SELECT jsonb_object_keys(hub_large(after)))
WHERE id IN (SELECT event.id FROM feed_queue q JOIN audit_events event ON event.xid = q.xid AND event.lane = q.lane AND event.id >= q.next_id) AND '{}' <> ANY (ARRAY[hub_large(before), hub_large(after)]);
