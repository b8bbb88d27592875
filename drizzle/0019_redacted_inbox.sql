-- Moves rows of the inbox that the service has looked at into the log, oldest first, and returns how many rows it took
-- out. `redacted` has fields without secrets by the number of their row: {"17": {"description": "…"}}. A row that the log
-- cannot take is put aside with the reason, without its secrets; the rows behind it go on.
-- drain_inbox stays: it moves rows as they are, for REDACT=off and for instances of an older version.
CREATE FUNCTION drain_inbox_rows(ns bigint[], redacted jsonb) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET lock_timeout = '2s' SET jit = 'off' AS $$
DECLARE
  batch jsonb;
  n_taken integer;
  event jsonb;
BEGIN
  PERFORM lock_log();
  WITH taken AS (
    DELETE FROM activity_inbox WHERE n = ANY (ns) RETURNING *
  )
  SELECT jsonb_agg(to_jsonb(taken) || coalesce(redacted -> taken.n::text, '{}') ORDER BY taken.n), count(*)
  INTO batch, n_taken FROM taken;
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

-- As in 0005: it looks for tables in the log's schema only, pg_temp last, and is nobody's to call unless granted.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
BEGIN
  EXECUTE format('ALTER FUNCTION drain_inbox_rows(bigint[], jsonb) SET search_path = %s, pg_temp', ours);
  REVOKE ALL ON FUNCTION drain_inbox_rows(bigint[], jsonb) FROM PUBLIC;
END $$;
