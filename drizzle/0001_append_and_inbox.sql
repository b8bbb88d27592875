-- Partitions, triggers and the few functions that write. No function relies on session state, LISTEN or an advisory
-- lock, so PgBouncer, Hyperdrive and PGlite all run them alike.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: the log is append-only', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'Write through append_logs(), or INSERT INTO activity_inbox.';
END $$;
--> statement-breakpoint

-- A service that must log inside its own transaction writes to the inbox. Code of the old dashboard inserts into
-- activity_logs without an id: its rows are led there, so that it keeps working and cannot stall or reorder the log.
CREATE FUNCTION redirect_to_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO activity_inbox ("timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                              ip_address, user_agent, service, trace_id, session_id, event_uid)
  VALUES (NEW."timestamp", NEW.event_type, NEW.entity_type, NEW.entity_id, NEW.user_id, NEW.description, NEW.metadata,
          NEW.ip_address, NEW.user_agent, NEW.service, NEW.trace_id, NEW.session_id, NEW.event_uid);
  RETURN NULL;
END $$;
--> statement-breakpoint

-- Row triggers on the parent are cloned to every partition, present and future; TRUNCATE triggers are not (see
-- make_partition). The WHEN clauses keep plpgsql out of the path of append_logs.
CREATE TRIGGER redirect_insert BEFORE INSERT ON activity_logs FOR EACH ROW
  WHEN (NEW.id IS NULL) EXECUTE FUNCTION redirect_to_inbox();
--> statement-breakpoint
CREATE TRIGGER refuse_insert BEFORE INSERT ON activity_logs FOR EACH ROW
  WHEN (NEW.id IS NOT NULL AND current_setting('edgetrail.append', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON activity_logs FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON activity_logs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
-- The bookkeeping that ids and idempotency rest on is as immutable as the log.
DO $$
DECLARE
  kept text;
BEGIN
  FOREACH kept IN ARRAY ARRAY['log_batches', 'log_uids', 'log_takeover'] LOOP
    EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()', kept);
    EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', kept);
  END LOOP;
END $$;
--> statement-breakpoint
INSERT INTO log_lock (only_row) VALUES (true);
--> statement-breakpoint
-- Without the lock's row FOR UPDATE would lock nothing, and two batches could take the same ids.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON log_lock FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_lock FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- Makes the partition of one UTC month, if it is missing. Built beside the log and attached: CREATE … PARTITION OF
-- would need an ACCESS EXCLUSIVE lock on the log, and a running pg_dump would then stop every reader behind it.
CREATE FUNCTION make_partition(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
  name text := 'activity_logs_' || to_char(month, 'YYYY_MM');
BEGIN
  IF to_regclass(name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE activity_logs INCLUDING DEFAULTS)', name);
  EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  EXECUTE format('ALTER TABLE activity_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                 month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
END $$;
--> statement-breakpoint

-- Makes the partitions from the end of the history to the months ahead: also those of months in which the service was
-- off. Harmless to call often and from several places at once.
CREATE FUNCTION make_partitions(months_ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
  month timestamp;
BEGIN
  PERFORM FROM log_lock FOR UPDATE;
  SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz AT TIME ZONE 'UTC' INTO month
  FROM pg_class c WHERE c.oid = 'activity_logs_history'::regclass;
  WHILE month <= this_month + make_interval(months => months_ahead) LOOP
    PERFORM make_partition(month AT TIME ZONE 'UTC');
    month := month + interval '1 month';
  END LOOP;
END $$;
--> statement-breakpoint

-- Everything before this month has one partition, for imports. No DEFAULT partition: it would disable the ordered append.
DO $$
DECLARE
  month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
BEGIN
  EXECUTE format('CREATE TABLE activity_logs_history PARTITION OF activity_logs FOR VALUES FROM (MINVALUE) TO (%L)',
                 month AT TIME ZONE 'UTC');
  CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON activity_logs_history FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
  PERFORM make_partitions(3);
END $$;
--> statement-breakpoint

-- Takes the writers' lock and returns the newest id. The read is a statement of its own, after the lock: only so does
-- it see what was committed while waiting. A stale snapshot would hand out ids twice, hence READ COMMITTED only.
CREATE FUNCTION lock_log() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  head bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'the log is appended to under READ COMMITTED only, not %', current_setting('transaction_isolation')
      USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM FROM log_lock FOR UPDATE;
  SELECT b.last_id INTO head FROM log_batches b ORDER BY b.last_id DESC LIMIT 1;
  RETURN coalesce(head, 0);
END $$;
--> statement-breakpoint

-- Appends a JSON array of events and returns one row an event, by its place in the array (from 1): the stored row, or,
-- when its event_uid was stored before, `duplicate` and the id it has. Ids are dense and in commit order.
CREATE FUNCTION append_logs(batch jsonb)
  RETURNS TABLE (ordinal bigint, duplicate boolean, stored_id bigint, log activity_logs)
  -- A custom setting in CREATE FUNCTION needs a superuser, whom managed servers do not give. 0005 replaces this function.
  LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
  head bigint := lock_log();
  -- Read under the lock, so that created_at never runs backwards along the ids (as long as the clock does not).
  taken timestamptz(3) := clock_timestamp();
BEGIN
  RETURN QUERY
  WITH item AS MATERIALIZED (
    SELECT told.*, (SELECT known.id FROM log_uids known WHERE known.event_uid = told.event_uid) AS known_id,
           row_number() OVER (PARTITION BY told.event_uid ORDER BY told.place) AS telling
    FROM ROWS FROM (jsonb_to_recordset(batch) AS (
           "timestamp" timestamptz, event_type text, entity_type text, entity_id text, user_id text, description text,
           metadata jsonb, ip_address inet, user_agent text, service text, trace_id text, session_id text, event_uid text
         )) WITH ORDINALITY AS told ("timestamp", event_type, entity_type, entity_id, user_id, description,
           metadata, ip_address, user_agent, service, trace_id, session_id, event_uid, place)
  ), fresh AS MATERIALIZED (
    SELECT item.*, head + row_number() OVER (ORDER BY item.place) AS id
    FROM item
    WHERE item.known_id IS NULL AND (item.event_uid IS NULL OR item.telling = 1)
  ), stored AS (
    INSERT INTO activity_logs (id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                               ip_address, user_agent, service, trace_id, session_id, event_uid, created_at)
    SELECT f.id, coalesce(f."timestamp", taken), f.event_type, f.entity_type, f.entity_id, f.user_id, f.description,
           f.metadata, f.ip_address, f.user_agent, f.service, f.trace_id, f.session_id, f.event_uid, taken
    FROM fresh f ORDER BY f.id
    RETURNING activity_logs.*
  ), named AS (
    INSERT INTO log_uids (event_uid, id) SELECT f.event_uid, f.id FROM fresh f WHERE f.event_uid IS NOT NULL
  ), counted AS (
    INSERT INTO log_batches (last_id, n, committed_at) SELECT max(f.id), count(*), taken FROM fresh f HAVING count(*) > 0
  )
  -- By place in an array, not by a join: of two CTEs the planner knows no sizes, and joins row by row.
  SELECT (SELECT array_agg(f.place ORDER BY f.id) FROM fresh f)[stored.id - head], false, stored.id, row(stored.*)::activity_logs
  FROM stored
  UNION ALL
  SELECT item.place, true, coalesce(item.known_id, first.id), NULL::activity_logs
  FROM item LEFT JOIN fresh first ON first.event_uid = item.event_uid
  WHERE item.known_id IS NOT NULL OR item.telling > 1 AND item.event_uid IS NOT NULL
  ORDER BY 1;
END $$;
--> statement-breakpoint

-- Moves what has been committed to the inbox into the log, oldest first, and returns how many rows it took out.
CREATE FUNCTION drain_inbox(rows_max integer) RETURNS integer LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
  batch jsonb;
  n_taken integer;
BEGIN
  PERFORM lock_log();
  WITH taken AS (
    DELETE FROM activity_inbox
    WHERE n IN (SELECT i.n FROM activity_inbox i ORDER BY i.n LIMIT rows_max)
    RETURNING *
  )
  SELECT jsonb_agg(to_jsonb(taken) ORDER BY taken.n), count(*) INTO batch, n_taken FROM taken;
  IF n_taken > 0 THEN
    PERFORM append_logs(batch);
  END IF;
  RETURN n_taken;
END $$;
--> statement-breakpoint

-- A time of the old table as the log can keep it: to the millisecond (which may round into the next month), and null
-- where RFC 3339 has no word for it (infinity, years before 1 and after 9999).
CREATE FUNCTION legacy_time(moment timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN moment BETWEEN '0001-01-01' AND '9999-12-31 23:59:59.999' THEN moment::timestamp(3) END
$$;
--> statement-breakpoint

-- Copies the next rows of the old dashboard's table in the order of their ids and returns how many. Its times carry no
-- zone and are read as UTC. The place is kept in the same transaction, so that a copy that was cut off goes on.
CREATE FUNCTION take_over_legacy(rows_max integer) RETURNS integer
  LANGUAGE plpgsql SET lock_timeout = '30s' AS $$
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
  INSERT INTO activity_logs (id, "timestamp", event_type, entity_type, entity_id, user_id, description, metadata,
                             ip_address, user_agent, created_at)
  SELECT head + row_number() OVER (ORDER BY l.id),
         coalesce(legacy_time(l."timestamp"), legacy_time(l.created_at), timestamp 'epoch') AT TIME ZONE 'UTC',
         l.event_type, l.entity_type, l.entity_id, l.user_id, l.description, l.metadata, l.ip_address, l.user_agent,
         coalesce(legacy_time(l.created_at), legacy_time(l."timestamp"), timestamp 'epoch') AT TIME ZONE 'UTC'
  FROM activity_logs_legacy l WHERE l.id > done AND l.id <= upto
  ORDER BY l.id;
  GET DIAGNOSTICS n_copied = ROW_COUNT;
  INSERT INTO log_batches (last_id, n, committed_at) VALUES (head + n_copied, n_copied, clock_timestamp());
  INSERT INTO log_takeover (legacy_id, last_id) VALUES (upto, head + n_copied);
  RETURN n_copied;
END $$;
--> statement-breakpoint

-- The old dashboard's view went along with its table and would show a week that no longer moves. It keeps its columns.
DO $$
BEGIN
  IF to_regclass('activity_logs_legacy') IS NOT NULL AND to_regclass('recent_activity') IS NOT NULL THEN
    ALTER VIEW recent_activity RENAME TO recent_activity_legacy;
    CREATE VIEW recent_activity AS
      SELECT id, "timestamp" AT TIME ZONE 'UTC' AS "timestamp", event_type, entity_type, entity_id, user_id, description,
             metadata, ip_address, user_agent, created_at AT TIME ZONE 'UTC' AS created_at
      FROM activity_logs WHERE "timestamp" >= now() - interval '7 days' ORDER BY "timestamp" DESC;
  END IF;
END $$;
