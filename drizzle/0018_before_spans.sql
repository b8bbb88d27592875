-- A call of append_logs that waits for the lock of the writers goes on with the body that it began with, also when a migration
-- has added columns meanwhile. So before 0018 adds some, calls get a body that takes the columns as it finds them; 0018
-- replaces it. In a log that has 0018 already this file is not run.

-- As in 0007, but for `fresh`.
CREATE OR REPLACE FUNCTION append_logs(batch jsonb)
  RETURNS TABLE (ordinal bigint, duplicate boolean, stored_id bigint, log activity_logs)
  -- JIT would compile these statements for longer than they run.
  LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' SET jit = 'off' AS $$
DECLARE
  head bigint := lock_log();
  -- Read under the lock, so that created_at never runs backwards along the ids (as long as the clock does not).
  taken timestamptz(3) := clock_timestamp();
  has_uids boolean := jsonb_path_exists(batch, '$[*].event_uid ? (@ != null)');
  -- The id of each event_uid of the batch that is stored already.
  known jsonb := '{}';
  fresh activity_logs[];
  oldest timestamptz;
  newest timestamptz;
BEGIN
  IF has_uids THEN
    -- Planned at each call: a plan that was kept from when log_uids was small would go on scanning all of it.
    EXECUTE 'SELECT coalesce(jsonb_object_agg(k.event_uid, k.id), ''{}'') FROM log_uids k WHERE k.event_uid = ANY ($1)'
      INTO known
      USING ARRAY(SELECT DISTINCT e.event ->> 'event_uid' FROM jsonb_array_elements(batch) e (event)
                  WHERE e.event ->> 'event_uid' IS NOT NULL);
  END IF;
  -- By the names of the columns. A text that is too long is refused, as in 0007.
  fresh := ARRAY(
    SELECT jsonb_populate_record(NULL::activity_logs, e.event || jsonb_build_object(
             'id', head + row_number() OVER (ORDER BY e.place),
             'timestamp', coalesce(e.event ->> 'timestamp', taken::text), 'created_at', taken))
    FROM (
      SELECT r.event, r.place, r.event ->> 'event_uid' AS event_uid,
             row_number() OVER (PARTITION BY r.event ->> 'event_uid' ORDER BY r.place) AS occurrence
      FROM jsonb_array_elements(batch) WITH ORDINALITY r (event, place)
    ) e
    WHERE e.event_uid IS NULL OR (e.occurrence = 1 AND NOT known ? e.event_uid)
    ORDER BY e.place);
  IF cardinality(fresh) > 0 THEN
    SELECT min(f."timestamp"), max(f."timestamp") INTO oldest, newest FROM unnest(fresh) f;
    IF newest > now() + interval '2 months' THEN
      RAISE EXCEPTION 'timestamp: must not be more than 24 hours in the future: the log keeps what happened'
        USING ERRCODE = 'datetime_field_overflow';
    ELSIF date_trunc('month', oldest, 'UTC') <> date_trunc('month', newest, 'UTC')
      OR to_regclass(month_name(newest)) IS NULL THEN
      PERFORM require_months(ARRAY(SELECT DISTINCT date_trunc('month', f."timestamp", 'UTC') FROM unnest(fresh) f));
    END IF;
    PERFORM set_config('edgetrail.append', 'on', true);
    INSERT INTO activity_logs SELECT f.* FROM unnest(fresh) f;
    PERFORM set_config('edgetrail.append', '', true);
    INSERT INTO log_batches (last_id, n, committed_at) VALUES (head + cardinality(fresh), cardinality(fresh), taken);
  END IF;
  IF NOT has_uids THEN
    RETURN QUERY SELECT f.id - head, false, f.id, f FROM unnest(fresh) f;
    RETURN;
  END IF;
  INSERT INTO log_uids (event_uid, id) SELECT f.event_uid, f.id FROM unnest(fresh) f WHERE f.event_uid IS NOT NULL;
  RETURN QUERY
  WITH numbered AS (
    SELECT e.place, e.event ->> 'event_uid' AS uid,
           row_number() OVER (PARTITION BY e.event ->> 'event_uid' ORDER BY e.place) AS occurrence
    FROM jsonb_array_elements(batch) WITH ORDINALITY e (event, place)
  ), item AS (
    SELECT n.place, n.uid, n.uid IS NOT NULL AND (n.occurrence > 1 OR known ? n.uid) AS again FROM numbered n
  ), placed AS (
    SELECT array_agg(i.place ORDER BY i.place) AS places FROM item i WHERE NOT i.again
  ), named AS (
    SELECT known || coalesce(jsonb_object_agg(f.event_uid, f.id) FILTER (WHERE f.event_uid IS NOT NULL), '{}') AS ids
    FROM unnest(fresh) f
  )
  SELECT (SELECT p.places FROM placed p)[(f.id - head)::integer], false, f.id, f FROM unnest(fresh) f
  UNION ALL
  SELECT i.place, true, ((SELECT m.ids FROM named m) ->> i.uid)::bigint, NULL::activity_logs FROM item i WHERE i.again
  ORDER BY 1;
END $$;
--> statement-breakpoint

-- As in 0005: the functions look for tables in the log's schema only, pg_temp last, and run with the owner's rights.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace
             AND p.proname = 'append_logs' LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', f);
  END LOOP;
  REVOKE ALL ON FUNCTION append_logs(jsonb) FROM PUBLIC;
END $$;
