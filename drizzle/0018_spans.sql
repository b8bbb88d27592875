-- Where an event stands in its trace, and what led to it.

-- As in 0001, with the new columns.
CREATE OR REPLACE FUNCTION redirect_to_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO activity_inbox ("timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                              ip_address, user_agent, service, trace_id, session_id, event_uid, span_id, parent_span_id,
                              caused_by)
  VALUES (NEW."timestamp", NEW.event_type, NEW.entity_type, NEW.entity_id, NEW.user_id, NEW.description, NEW.metadata,
          NEW.ip_address, NEW.user_agent, NEW.service, NEW.trace_id, NEW.session_id,
          NEW.event_uid, NEW.span_id, NEW.parent_span_id, NEW.caused_by);
  RETURN NULL;
END $$;
--> statement-breakpoint

-- The rules of an event for writers by SQL: the same as for POST /api/logs. A blank is kept as null, a missing time is now;
-- what cannot be kept is refused with its field and the reason.
CREATE OR REPLACE FUNCTION check_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  field text;
  reason text;
BEGIN
  NEW."timestamp" := coalesce(NEW."timestamp", clock_timestamp());
  NEW.entity_id := nullif(NEW.entity_id, '');
  NEW.user_id := nullif(NEW.user_id, '');
  NEW.description := nullif(NEW.description, '');
  NEW.user_agent := nullif(NEW.user_agent, '');
  NEW.service := nullif(NEW.service, '');
  NEW.trace_id := nullif(NEW.trace_id, '');
  NEW.session_id := nullif(NEW.session_id, '');
  NEW.event_uid := nullif(NEW.event_uid, '');
  NEW.span_id := nullif(NEW.span_id, '');
  NEW.parent_span_id := nullif(NEW.parent_span_id, '');
  NEW.caused_by := nullif(NEW.caused_by, '');
  IF jsonb_typeof(NEW.metadata) = 'null' THEN
    NEW.metadata := NULL;
  END IF;
  SELECT f.field, f.reason INTO field, reason
  FROM (VALUES
    (1, 'event_type', CASE WHEN NEW.event_type IS NULL THEN 'is required' ELSE label_fault(NEW.event_type, 255) END),
    (2, 'entity_type', CASE WHEN NEW.entity_type IS NULL THEN 'is required' ELSE label_fault(NEW.entity_type, 255) END),
    (3, 'entity_id', text_fault(NEW.entity_id, 255)),
    (4, 'user_id', text_fault(NEW.user_id, 255)),
    (5, 'description', text_fault(NEW.description, 10000)),
    (6, 'metadata', metadata_fault(NEW.metadata)),
    (7, 'ip_address', CASE WHEN NEW.ip_address <> host(NEW.ip_address)::inet
                           THEN 'must be an IPv4 or IPv6 address without mask, port or zone' END),
    (8, 'user_agent', text_fault(NEW.user_agent, 2000)),
    (9, 'timestamp', CASE
      WHEN NOT NEW."timestamp" BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999+00'
        THEN 'must be an ISO 8601 date-time, such as 2026-03-01T12:30:00Z'
      WHEN NEW."timestamp" > clock_timestamp() + interval '24 hours'
        THEN 'must not be more than 24 hours in the future: the log keeps what happened' END),
    (10, 'service', text_fault(NEW.service, 100)),
    (11, 'trace_id', text_fault(NEW.trace_id, 100)),
    (12, 'session_id', text_fault(NEW.session_id, 255)),
    (13, 'event_uid', text_fault(NEW.event_uid, 255)),
    (14, 'span_id', text_fault(NEW.span_id, 100)),
    (15, 'parent_span_id', text_fault(NEW.parent_span_id, 100)),
    (16, 'caused_by', text_fault(NEW.caused_by, 255))
  ) AS f (place, field, reason)
  WHERE f.reason IS NOT NULL
  ORDER BY f.place LIMIT 1;
  IF reason IS NOT NULL THEN
    RAISE EXCEPTION '%: %', field, reason
      USING ERRCODE = 'check_violation', COLUMN = field, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint

-- Appends a JSON array of events and returns one row an event, by its place in the array (from 1): the stored row, or,
-- when its event_uid was stored before, `duplicate` and the id it has. Ids are dense and in commit order.
-- The events have been checked before: by the service, or by check_event.
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
  -- The lengths stand in the record: a cast of the row alone would cut off what is too long.
  fresh := ARRAY(
    SELECT row(head + row_number() OVER (ORDER BY e.place), coalesce(e."timestamp", taken), e.event_type, e.entity_type,
               e.entity_id, e.user_id, e.description, e.metadata, e.ip_address, e.user_agent, e.service, e.trace_id,
               e.session_id, e.event_uid, taken, e.span_id, e.parent_span_id, e.caused_by)::activity_logs
    FROM (
      SELECT r.*, row_number() OVER (PARTITION BY r.event_uid ORDER BY r.place) AS occurrence
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (
             "timestamp" timestamptz, event_type varchar(255), entity_type varchar(255), entity_id varchar(255),
             user_id varchar(255), description text, metadata jsonb, ip_address inet, user_agent text,
             service varchar(100), trace_id varchar(100), session_id varchar(255), event_uid varchar(255),
             span_id varchar(100), parent_span_id varchar(100), caused_by varchar(255)
           )) WITH ORDINALITY AS r ("timestamp", event_type, entity_type, entity_id, user_id, description,
             metadata, ip_address, user_agent, service, trace_id, session_id, event_uid, span_id, parent_span_id,
             caused_by, place)
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
             AND p.proname IN ('redirect_to_inbox', 'check_event', 'append_logs') LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', f);
  END LOOP;
  REVOKE ALL ON FUNCTION append_logs(jsonb) FROM PUBLIC;
END $$;
--> statement-breakpoint

-- The columns are null in every event before: no row is rewritten, and an older instance, which does not name them, goes on
-- beside newer ones. Last, because from here to the commit everybody waits. The tables are locked in the order of a plain
-- INSERT, after the lock of the writers, with which a drain begins, whose order is the other one.
DO $$
DECLARE
  -- Writers queue for this row in their order, and it holds up no reader: a short wait would end before its turn comes.
  lock_timeout_before text := current_setting('lock_timeout');
BEGIN
  PERFORM set_config('lock_timeout', '2s', true);
  PERFORM FROM log_lock FOR UPDATE;
  PERFORM set_config('lock_timeout', lock_timeout_before, true);
END $$;
--> statement-breakpoint
ALTER TABLE "activity_logs" ADD COLUMN "span_id" varchar(100), ADD COLUMN "parent_span_id" varchar(100), ADD COLUMN "caused_by" varchar(255);
--> statement-breakpoint
ALTER TABLE "activity_inbox" ADD COLUMN "span_id" varchar(100), ADD COLUMN "parent_span_id" varchar(100), ADD COLUMN "caused_by" varchar(255);
