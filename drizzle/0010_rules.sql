-- Changes the spec of a reader that goes on as it is: with the same place, lease, revision and memory. What the spec says of
-- the events that the reader is about must stay the same; a rule is muted by this. Returns whether there is such a reader.
CREATE FUNCTION amend_reader(reader text, its_spec jsonb) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE log_readers r SET spec = its_spec WHERE r.name = reader AND r.kind <> 'derive';
  RETURN FOUND;
END $$;
--> statement-breakpoint

-- As in 0008.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = ours::regnamespace AND p.proname = 'amend_reader' LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
    EXECUTE format('ALTER FUNCTION %s SET jit = off', f);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
