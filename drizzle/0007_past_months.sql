-- The partitions of the past. The log is divided into
--   activity_logs_history                  everything before the last ten years,
--   activity_logs_2024_05                  a month,
--   activity_logs_2024_06_until_2026_11    a gap: the months between, without the last one; it is empty.
-- Together they cover every time up to the months ahead, because PostgreSQL looks for the partition of a plain INSERT
-- before its trigger runs. Each partition costs planning time in every query, so a month of the past gets one when its
-- first event comes: the gap around it is replaced by that month and the gaps that remain on both sides.

DROP FUNCTION make_month(timestamptz);
--> statement-breakpoint
DROP FUNCTION make_partition(timestamptz);
--> statement-breakpoint

CREATE FUNCTION month_name(moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'activity_logs_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM')
$$;
--> statement-breakpoint

-- The partitions and their ranges (UTC, the end is not included); the history begins at -infinity. The text of a bound
-- depends on the two settings.
CREATE FUNCTION log_partitions() RETURNS TABLE (partition name, since timestamp, upto timestamp, is_gap boolean)
  LANGUAGE sql STABLE SET timezone = 'UTC' SET datestyle = 'ISO, MDY' AS $$
  SELECT r.partition, r.since, r.upto, isfinite(r.since) AND r.upto > r.since + interval '1 month'
  FROM (
    SELECT c.relname AS partition,
           coalesce(substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamp, '-infinity') AS since,
           substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamp AS upto
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) b (bound)
    WHERE i.inhparent = 'activity_logs'::regclass
  ) r
$$;
--> statement-breakpoint

-- The partitions to make so that each of the moments has its month, and no time before this month is without a partition.
-- `replaced` is the gap in whose place a partition comes; gaps in `kept` are left as they are.
CREATE FUNCTION missing_partitions(moments timestamptz[], kept name[])
  RETURNS TABLE (replaced name, since timestamp, upto timestamp) LANGUAGE sql STABLE AS $$
  WITH this AS (
    SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AS month
  ), known AS MATERIALIZED (
    SELECT p.* FROM log_partitions() p
  ), wanted AS (
    SELECT DISTINCT date_trunc('month', m.moment AT TIME ZONE 'UTC') AS month
    FROM unnest(moments) m (moment) WHERE isfinite(m.moment)
  ), range AS (
    SELECT k.partition, k.since, k.upto FROM known k
    WHERE k.is_gap AND k.partition <> ALL (kept)
      AND EXISTS (SELECT FROM wanted w WHERE w.month >= k.since AND w.month < k.upto)
    UNION ALL
    -- A time without a partition: months in which the service was off, or a partition that was dropped.
    SELECT NULL, hole.since, hole.upto
    FROM (
      SELECT k.upto AS since, least(lead(k.since, 1, 'infinity') OVER (ORDER BY k.since), this.month) AS upto
      FROM known k, this
    ) hole
    WHERE hole.since < hole.upto
    UNION ALL
    -- Only the past is covered as a whole: a gap ahead would have to be replaced again each month.
    SELECT NULL, w.month, w.month + interval '1 month' FROM wanted w, this
    WHERE w.month >= this.month AND NOT EXISTS (SELECT FROM known k WHERE w.month >= k.since AND w.month < k.upto)
  ), edge AS (
    SELECT r.partition, r.since AS range, r.since AS at FROM range r
    UNION
    SELECT r.partition, r.since, r.upto FROM range r
    UNION
    SELECT r.partition, r.since, w.month + n.months * interval '1 month'
    FROM range r JOIN wanted w ON w.month >= r.since AND w.month < r.upto, (VALUES (0), (1)) n (months)
  )
  SELECT piece.* FROM (
    SELECT e.partition, e.at, lead(e.at) OVER (PARTITION BY e.range ORDER BY e.at) AS upto FROM edge e
  ) piece
  WHERE piece.upto IS NOT NULL
  ORDER BY piece.at
$$;
--> statement-breakpoint

-- Creates the table of a partition, not attached yet, and returns its name. With its indexes, so that attaching it only
-- adopts them. TRUNCATE triggers are not cloned from the log.
CREATE FUNCTION make_range(since timestamp, upto timestamp) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  name text := month_name(since AT TIME ZONE 'UTC');
BEGIN
  -- The table of a month that somebody has detached keeps its name.
  IF upto > since + interval '1 month' OR to_regclass(name) IS NOT NULL THEN
    name := name || '_until_' || to_char(upto, 'YYYY_MM');
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE activity_logs INCLUDING DEFAULTS INCLUDING INDEXES)', name);
  EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  RETURN name;
END $$;
--> statement-breakpoint

-- Makes the months of the moments, unless they are in the history or in a gap with rows. With move_rows a gap with few
-- rows is replaced, too: they go into their months. Fails with lock_not_available when a long transaction uses the log.
--
-- Everything is prepared before the log is locked, and the lock is not waited for: whoever waits for it stops every
-- writer and reader that comes after. Two makers exclude each other by a lock that stops nobody else. None of these locks
-- is log_lock: append_logs has that one when it calls.
CREATE FUNCTION make_months(moments timestamptz[], move_rows boolean DEFAULT false) RETURNS void
  LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET lock_timeout = '500ms' SET jit = 'off' AS $$
DECLARE
  moved_bytes_max constant bigint := 512 * 1024;
  wanted timestamptz[] := moments;
  gap name;
  has_rows boolean;
  kept name[];
  replaced name[];
  since timestamp[];
  upto timestamp[];
  name text[] := '{}';
  found activity_logs[];
  moved activity_logs[] := '{}';
BEGIN
  -- First from the catalog alone: mostly nothing is missing. Reading a gap here would keep a lock on it, for which another
  -- maker waits while this one waits for that maker; its size is read without.
  SELECT array_agg(g.partition) FILTER (WHERE g.bytes > moved_bytes_max),
         coalesce(bool_or(g.bytes BETWEEN 1 AND moved_bytes_max), false)
  INTO kept, has_rows
  FROM (
    SELECT p.partition, pg_relation_size(to_regclass(quote_ident(p.partition))) AS bytes
    FROM log_partitions() p WHERE p.is_gap
  ) g;
  IF NOT EXISTS (SELECT FROM missing_partitions(moments, coalesce(kept, '{}'))) AND NOT (move_rows AND has_rows) THEN
    RETURN;
  END IF;
  LOCK TABLE ONLY activity_logs IN SHARE UPDATE EXCLUSIVE MODE;
  kept := '{}';
  FOR gap IN SELECT p.partition FROM log_partitions() p WHERE p.is_gap LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %I)', gap) INTO has_rows;
    IF has_rows AND move_rows AND pg_table_size(to_regclass(quote_ident(gap))) <= moved_bytes_max THEN
      EXECUTE format('SELECT $1 || array_agg(DISTINCT date_trunc(''month'', g."timestamp")) FROM ONLY %I g', gap)
        INTO wanted USING wanted;
    ELSIF has_rows THEN
      kept := kept || gap;
    END IF;
  END LOOP;
  SELECT array_agg(m.replaced), array_agg(m.since), array_agg(m.upto) INTO replaced, since, upto
  FROM missing_partitions(wanted, kept) m;
  IF since IS NULL THEN
    RETURN;
  END IF;
  FOR i IN 1..cardinality(since) LOOP
    name := name || make_range(since[i], upto[i]);
  END LOOP;
  FOR gap IN SELECT DISTINCT r.gap FROM unnest(replaced) r (gap) WHERE r.gap IS NOT NULL LOOP
    -- With an older snapshot the gap could look empty.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'months are made under READ COMMITTED only, not %', current_setting('transaction_isolation')
        USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM set_config('lock_timeout', '100ms', true);
    LOCK TABLE ONLY activity_logs IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', gap);
    EXECUTE format('SELECT array_agg(row(g.*)::activity_logs) FROM ONLY %I g', gap) INTO found;
    moved := moved || found;
    EXECUTE format('DROP TABLE %I', gap);
  END LOOP;
  FOR i IN 1..cardinality(since) LOOP
    EXECUTE format('ALTER TABLE activity_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name[i],
                   since[i] AT TIME ZONE 'UTC', upto[i] AT TIME ZONE 'UTC');
  END LOOP;
  IF cardinality(moved) > 0 THEN
    PERFORM set_config('edgetrail.append', 'on', true);
    INSERT INTO activity_logs SELECT m.* FROM unnest(moved) m;
    PERFORM set_config('edgetrail.append', '', true);
  END IF;
END $$;
--> statement-breakpoint

-- The end of the history (not included), from its bound alone; null without a history.
CREATE FUNCTION history_end() RETURNS timestamptz LANGUAGE sql STABLE SET timezone = 'UTC' SET datestyle = 'ISO, MDY' AS $$
  SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz
  FROM pg_class c WHERE c.oid = to_regclass('activity_logs_history')
$$;
--> statement-breakpoint

-- Ends the history ten years ago and puts a gap behind it. Only where the years between have no row: in a log that has
-- imported into its history, that one stays as it was, because dividing it would lock the log for as long as it is long.
CREATE FUNCTION bound_history() RETURNS void
  LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET lock_timeout = '500ms' SET jit = 'off' AS $$
DECLARE
  bound timestamp := date_trunc('month', now() AT TIME ZONE 'UTC') - interval '10 years';
  old_end timestamp;
  gap text;
BEGIN
  -- First without a lock: mostly it has been done.
  IF coalesce(history_end() <= bound AT TIME ZONE 'UTC', true) THEN
    RETURN;
  END IF;
  LOCK TABLE ONLY activity_logs IN SHARE UPDATE EXCLUSIVE MODE;
  old_end := history_end() AT TIME ZONE 'UTC';
  IF old_end <= bound
    OR EXISTS (SELECT FROM ONLY activity_logs_history h WHERE h."timestamp" >= bound AT TIME ZONE 'UTC') THEN
    RETURN;
  END IF;
  gap := make_range(bound, old_end);
  PERFORM set_config('lock_timeout', '100ms', true);
  ALTER TABLE activity_logs DETACH PARTITION activity_logs_history;
  -- Fails (check_violation) when a row came meanwhile.
  EXECUTE format('ALTER TABLE activity_logs ATTACH PARTITION activity_logs_history FOR VALUES FROM (MINVALUE) TO (%L)',
                 bound AT TIME ZONE 'UTC');
  EXECUTE format('ALTER TABLE activity_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', gap,
                 bound AT TIME ZONE 'UTC', old_end AT TIME ZONE 'UTC');
END $$;
--> statement-breakpoint

-- Makes this month and the months ahead, and closes what has no partition before them. What needs the log for itself is
-- done only when nobody uses it: a later call does the rest. Harmless to call often and from several places at once.
CREATE OR REPLACE FUNCTION make_partitions(months_ahead integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM make_months(ARRAY(
    SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + n.months * interval '1 month') AT TIME ZONE 'UTC'
    FROM generate_series(0, months_ahead) n (months)));
  BEGIN
    PERFORM bound_history();
    PERFORM make_months('{}', true);
  EXCEPTION
    WHEN invalid_transaction_state THEN
      RAISE; -- The service calls again with the right isolation level.
    WHEN OTHERS THEN
      RAISE WARNING 'the past of activity_logs is divided later: %', SQLERRM;
  END;
END $$;
--> statement-breakpoint

-- Makes those of the months that are missing. An append does not wait for them and does not fail without them: when the
-- log is in use, the events go into the gap, and make_partitions moves them later.
CREATE FUNCTION require_months(months timestamptz[], attempts integer DEFAULT 1) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  missing timestamptz[] := ARRAY(
    SELECT m.month FROM unnest(months) m (month) WHERE to_regclass(month_name(m.month)) IS NULL);
BEGIN
  IF cardinality(missing) > 0 THEN
    -- Reading all bounds takes longer than an append.
    missing := ARRAY(SELECT m.month FROM unnest(missing) m (month) WHERE m.month >= history_end());
  END IF;
  IF cardinality(missing) = 0 THEN
    RETURN;
  END IF;
  FOR attempt IN 1..attempts LOOP
    BEGIN
      PERFORM make_months(missing);
      RETURN;
    EXCEPTION WHEN OTHERS THEN
      IF attempt < attempts AND SQLSTATE IN ('55P03', '40P01') THEN
        PERFORM pg_sleep(0.1);
      ELSIF EXISTS (SELECT FROM unnest(missing) m (month) WHERE NOT EXISTS (
        SELECT FROM log_partitions() p
        WHERE m.month AT TIME ZONE 'UTC' >= p.since AND m.month AT TIME ZONE 'UTC' < p.upto)) THEN
        RAISE;
      ELSE
        RAISE WARNING 'events of % months are put into a gap of activity_logs: %', cardinality(missing), SQLERRM;
        RETURN;
      END IF;
    END;
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
  -- All of an old log goes into its months: this may wait, for the service does not run yet.
  PERFORM require_months(ARRAY(
    SELECT DISTINCT date_trunc('month', coalesce(legacy_time(l."timestamp"), legacy_time(l.created_at))) AT TIME ZONE 'UTC'
    FROM activity_logs_legacy l WHERE l.id > done AND l.id <= upto), 25);
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

-- As in 0005: the functions look for tables in the log's schema only, pg_temp last, and are nobody's to call unless granted.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace
             AND p.proname IN ('month_name', 'log_partitions', 'missing_partitions', 'make_range', 'make_months',
                               'history_end', 'bound_history', 'make_partitions', 'require_months', 'append_logs',
                               'take_over_legacy') LOOP
    -- Without settings a function in SQL is inlined; this one names no table.
    IF f <> 'month_name(timestamptz)'::regprocedure THEN
      EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
      EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER', f);
    END IF;
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
--> statement-breakpoint

SELECT make_partitions(3);
