-- The functions that write, in plain statements and without planner settings. Each is SECURITY DEFINER and carries its own
-- search_path (the DO block at the end): what a caller has set changes nothing, and a role needs EXECUTE only.

-- Why a jsonb number cannot be kept exactly by a reader of JSON (IEEE 754 double), or null when it can.
CREATE FUNCTION number_fault(value numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF abs(value) > 1.7976931348623157e308 THEN
    RETURN 'a number is out of range';
  ELSIF value = trunc(value) AND abs(value) > 9007199254740991 THEN
    RETURN 'a whole number beyond 2^53 cannot be kept exactly: send it as text';
  ELSIF value <> 0 AND (abs(value) < 5e-324 OR value::float8::text::numeric <> value) THEN
    RETURN 'a number with more digits than a double holds cannot be kept exactly: send it as text';
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- Why metadata is refused, or null: what metadataFault in log/entry.ts says of the same value. Most metadata is short and
-- flat and has no long number: its text shows that at once. The rest is walked level by level, without recursion.
CREATE FUNCTION metadata_fault(metadata jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  depth_max constant integer := 20;
  chars_max constant integer := 65536;
  written text := metadata::text;
  level jsonb[] := ARRAY[metadata];
  paths text[] := ARRAY[''];
  chars bigint := 0;
  here bigint;
  fault text;
BEGIN
  IF metadata IS NULL THEN
    RETURN NULL;
  ELSIF jsonb_typeof(metadata) <> 'object' THEN
    RETURN 'must be a JSON object';
  ELSIF char_length(written) <= chars_max AND written !~ '[0-9][0-9.]{15}'
    AND char_length(written) - char_length(translate(written, '{[', '')) <= depth_max THEN
    RETURN NULL;
  END IF;
  FOR depth IN 1..depth_max + 1 LOOP
    IF level IS NULL THEN
      EXIT;
    ELSIF depth > depth_max THEN
      RETURN format('must be at most %s levels deep', depth_max);
    END IF;
    WITH child AS (
      SELECT c.key, c.value, jsonb_typeof(c.value) AS kind,
             CASE WHEN parent.path = '' THEN c.key ELSE parent.path || '.' || c.key END AS path, c.named
      FROM unnest(level, paths) AS parent (value, path)
      CROSS JOIN LATERAL (
        SELECT o.key, o.value, true AS named
        FROM jsonb_each(CASE WHEN jsonb_typeof(parent.value) = 'object' THEN parent.value END) o
        UNION ALL
        SELECT (a.place - 1)::text, a.value, false
        FROM jsonb_array_elements(CASE WHEN jsonb_typeof(parent.value) = 'array' THEN parent.value END)
          WITH ORDINALITY a (value, place)
      ) c
    )
    SELECT array_agg(child.value) FILTER (WHERE child.kind IN ('object', 'array')),
           array_agg(child.path) FILTER (WHERE child.kind IN ('object', 'array')),
           -- A comma or a closing bracket after each value, a key and its colon before it. A container counts here with its
           -- opening bracket, and with both when it is empty.
           coalesce(sum(1 + CASE WHEN child.named THEN char_length(to_json(child.key)::text) + 1 ELSE 0 END
             + CASE WHEN child.kind NOT IN ('object', 'array') THEN char_length(child.value::text)
                    WHEN child.value IN ('{}', '[]') THEN 2 ELSE 1 END), 0),
           min(child.path || ': ' || number_fault((child.value #>> '{}')::numeric)) FILTER (WHERE child.kind = 'number')
    INTO level, paths, here, fault
    FROM child;
    IF fault IS NOT NULL THEN
      RETURN fault;
    END IF;
    chars := chars + here;
  END LOOP;
  -- The bracket that opens the root.
  RETURN CASE WHEN chars + 1 > chars_max THEN format('must be at most %s characters of JSON', chars_max) END;
END $$;
--> statement-breakpoint

-- Why a text is refused, or null: what `text` in log/entry.ts says of the same value.
CREATE FUNCTION text_fault(value text, chars_max integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN CASE
    WHEN left(value, 1) = U&'\FEFF' THEN 'must not begin with a byte order mark'
    WHEN char_length(value) > chars_max THEN format('must be at most %s characters long', chars_max)
  END;
END $$;
--> statement-breakpoint

-- Why a label (event_type, entity_type) is refused. White space is what String.prototype.trim of ECMAScript removes.
CREATE FUNCTION label_fault(value text, chars_max integer) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN coalesce(text_fault(value, chars_max), CASE
    WHEN btrim(value, E'\t\n\u000b\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff') = ''
    THEN 'must not be blank'
  END);
END $$;
--> statement-breakpoint

-- The rules of an event for writers by SQL: the same as for POST /api/logs. A blank is kept as null, a missing time is now;
-- what cannot be kept is refused with its field and the reason.
CREATE FUNCTION check_event() RETURNS trigger LANGUAGE plpgsql AS $$
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
    (13, 'event_uid', text_fault(NEW.event_uid, 255))
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
CREATE TRIGGER check_event BEFORE INSERT OR UPDATE ON activity_inbox FOR EACH ROW EXECUTE FUNCTION check_event();
--> statement-breakpoint

-- The write guard is a privilege: only who may UPDATE log_lock (its owner, and so our SECURITY DEFINER functions) inserts
-- rows with an id. The setting beside it protects the owner from an accident, such as a restored dump, not from intent.
DROP TRIGGER refuse_insert ON activity_logs;
--> statement-breakpoint
CREATE TRIGGER refuse_insert BEFORE INSERT ON activity_logs FOR EACH ROW
  WHEN (NEW.id IS NOT NULL AND (current_setting('edgetrail.append', true) IS DISTINCT FROM 'on'
                                OR NOT has_table_privilege('log_lock'::regclass, 'UPDATE')))
  EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- Makes the partition of a batch's newest month and of all before it, where it is missing: a service that ran for longer
-- than its partitions reach, or a clock that was set.
CREATE FUNCTION make_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
  first timestamp;
BEGIN
  IF moment > now() + interval '2 months' THEN
    RAISE EXCEPTION 'timestamp: must not be more than 24 hours in the future: the log keeps what happened'
      USING ERRCODE = 'datetime_field_overflow';
  END IF;
  IF to_regclass('activity_logs_' || to_char(month, 'YYYY_MM')) IS NOT NULL THEN
    RETURN;
  END IF;
  SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz AT TIME ZONE 'UTC' INTO first
  FROM pg_class c WHERE c.oid = 'activity_logs_history'::regclass;
  WHILE first <= month LOOP
    PERFORM make_partition(first AT TIME ZONE 'UTC');
    first := first + interval '1 month';
  END LOOP;
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
               e.session_id, e.event_uid, taken)::activity_logs
    FROM (
      SELECT r.*, row_number() OVER (PARTITION BY r.event_uid ORDER BY r.place) AS occurrence
      FROM ROWS FROM (jsonb_to_recordset(batch) AS (
             "timestamp" timestamptz, event_type varchar(255), entity_type varchar(255), entity_id varchar(255),
             user_id varchar(255), description text, metadata jsonb, ip_address inet, user_agent text,
             service varchar(100), trace_id varchar(100), session_id varchar(255), event_uid varchar(255)
           )) WITH ORDINALITY AS r ("timestamp", event_type, entity_type, entity_id, user_id, description,
             metadata, ip_address, user_agent, service, trace_id, session_id, event_uid, place)
    ) e
    WHERE e.event_uid IS NULL OR (e.occurrence = 1 AND NOT known ? e.event_uid)
    ORDER BY e.place);
  IF cardinality(fresh) > 0 THEN
    PERFORM make_month(max(f."timestamp")) FROM unnest(fresh) f;
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

-- Moves what has been committed to the inbox into the log, oldest first, and returns how many rows it took out: at most
-- rows_max, and not many more than 4 MiB. A row that the log cannot take (an older version let it in) is put aside with
-- the reason; the rows behind it go on.
CREATE OR REPLACE FUNCTION drain_inbox(rows_max integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' SET jit = 'off' AS $$
DECLARE
  bytes_max constant bigint := 4 * 1024 * 1024;
  upto bigint;
  batch jsonb;
  n_taken integer;
  event jsonb;
BEGIN
  PERFORM lock_log();
  SELECT max(w.n) INTO upto
  FROM (
    SELECT i.n, i.bytes, sum(i.bytes) OVER (ORDER BY i.n) AS total
    FROM (
      SELECT o.n, coalesce(octet_length(o.description), 0) + coalesce(pg_column_size(o.metadata), 0) AS bytes
      FROM activity_inbox o ORDER BY o.n LIMIT rows_max
    ) i
  ) w
  WHERE w.total - w.bytes < bytes_max;
  WITH taken AS (
    DELETE FROM activity_inbox WHERE n <= upto RETURNING *
  )
  SELECT jsonb_agg(to_jsonb(taken) ORDER BY taken.n), count(*) INTO batch, n_taken FROM taken;
  IF n_taken = 0 THEN
    RETURN 0;
  END IF;
  BEGIN
    PERFORM append_logs(batch);
  EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
    FOR event IN SELECT e.event FROM jsonb_array_elements(batch) e (event) LOOP
      BEGIN
        PERFORM append_logs(jsonb_build_array(event));
      EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        INSERT INTO activity_inbox_refused (n, reason, event) VALUES ((event ->> 'n')::bigint, SQLERRM, event);
      END;
    END LOOP;
  END;
  RETURN n_taken;
END $$;
--> statement-breakpoint

-- Copies the next rows of the old dashboard's table in the order of their ids and returns how many. Its times carry no
-- zone and are read as UTC, a blank is null as everywhere; what the API would refuse is kept, for an old row must not be
-- lost. The place is kept in the same transaction, so that a copy that was cut off goes on.
CREATE OR REPLACE FUNCTION take_over_legacy(rows_max integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '30s' SET jit = 'off' AS $$
DECLARE
  head bigint;
  done bigint;
  upto bigint;
  n_copied integer;
BEGIN
  IF to_regclass('activity_logs_legacy') IS NULL THEN
    RETURN 0;
  END IF;
  head := lock_log();
  SELECT coalesce(max(t.legacy_id), -9223372036854775808) INTO done FROM log_takeover t;
  SELECT max(next.id) INTO upto
  FROM (SELECT l.id FROM activity_logs_legacy l WHERE l.id > done ORDER BY l.id LIMIT rows_max) next;
  IF upto IS NULL THEN
    RETURN 0;
  END IF;
  -- What the old log dated beyond the months made ahead gets the month it needs: nothing is left behind.
  PERFORM make_partition(ahead.month AT TIME ZONE 'UTC')
  FROM (SELECT DISTINCT date_trunc('month', coalesce(legacy_time(l."timestamp"), legacy_time(l.created_at))) AS month
        FROM activity_logs_legacy l WHERE l.id > done AND l.id <= upto) ahead
  WHERE ahead.month > now() AT TIME ZONE 'UTC';
  PERFORM set_config('edgetrail.append', 'on', true);
  INSERT INTO activity_logs (id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                             ip_address, user_agent, created_at)
  SELECT head + row_number() OVER (ORDER BY l.id),
         coalesce(legacy_time(l."timestamp"), legacy_time(l.created_at), timestamp 'epoch') AT TIME ZONE 'UTC',
         l.event_type, l.entity_type, nullif(l.entity_id, ''), nullif(l.user_id, ''), nullif(l.description, ''),
         l.metadata, l.ip_address, nullif(l.user_agent, ''),
         coalesce(legacy_time(l.created_at), legacy_time(l."timestamp"), timestamp 'epoch') AT TIME ZONE 'UTC'
  FROM activity_logs_legacy l WHERE l.id > done AND l.id <= upto
  ORDER BY l.id;
  GET DIAGNOSTICS n_copied = ROW_COUNT;
  PERFORM set_config('edgetrail.append', '', true);
  INSERT INTO log_batches (last_id, n, committed_at) VALUES (head + n_copied, n_copied, clock_timestamp());
  INSERT INTO log_takeover (legacy_id, last_id) VALUES (upto, head + n_copied);
  RETURN n_copied;
END $$;
--> statement-breakpoint

DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  writers text[] := ARRAY['append_logs', 'drain_inbox', 'take_over_legacy', 'make_partition', 'make_partitions',
                          'make_month', 'lock_log'];
  triggers text[] := ARRAY['redirect_to_inbox', 'check_event', 'refuse_change'];
  checks text[] := ARRAY['number_fault', 'metadata_fault', 'text_fault', 'label_fault', 'legacy_time'];
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace AND p.proname = ANY (writers || triggers || checks) LOOP
    -- pg_temp last: else a temporary table of the caller's would be taken for one of ours.
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
  END LOOP;
  -- A trigger runs with the rights of whoever inserts: who may insert into the log needs no right on the inbox.
  FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = ours::regnamespace AND p.proname = ANY (writers || triggers) LOOP
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', f);
  END LOOP;
  -- With the owner's rights they are nobody's to call unless granted.
  FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = ours::regnamespace AND p.proname = ANY (writers) LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
--> statement-breakpoint

-- Rows that wait from an older version and would be refused today.
WITH faulty AS (
  DELETE FROM activity_inbox i
  WHERE label_fault(i.event_type, 255) IS NOT NULL OR label_fault(i.entity_type, 255) IS NOT NULL
     OR metadata_fault(i.metadata) IS NOT NULL
  RETURNING *
)
INSERT INTO activity_inbox_refused (n, reason, event)
SELECT f.n, coalesce('event_type: ' || label_fault(f.event_type, 255), 'entity_type: ' || label_fault(f.entity_type, 255),
                     'metadata: ' || metadata_fault(f.metadata)), to_jsonb(f)
FROM faulty f;
