-- The service may run as a role that owns nothing (docs/deploy.md, "Two roles"). src/runtime/grants.ts grants that role its
-- rights after each migration; here is what no other role may get by default.

-- Firing a trigger needs no right on its function, but attaching it to a table does: whoever may do that could attach one of
-- these to a table of its own, whose types have casts of its own, and they would run with the owner's rights.
REVOKE ALL ON FUNCTION redirect_to_inbox() FROM PUBLIC;
--> statement-breakpoint
REVOKE ALL ON FUNCTION check_event() FROM PUBLIC;
--> statement-breakpoint
REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC;
--> statement-breakpoint

-- Creates the table of a partition, not attached yet, and returns its name. With its indexes, so that attaching it only
-- adopts them. TRUNCATE triggers are not cloned from the log. Nobody but the owner has a right on it, also where
-- ALTER DEFAULT PRIVILEGES gives others some on each new table: a right on a partition bypasses those on the log.
CREATE OR REPLACE FUNCTION make_range(since timestamp, upto timestamp) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  name text := month_name(since AT TIME ZONE 'UTC');
  other text;
BEGIN
  -- The table of a month that somebody has detached keeps its name.
  IF upto > since + interval '1 month' OR to_regclass(name) IS NOT NULL THEN
    name := name || '_until_' || to_char(upto, 'YYYY_MM');
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE activity_logs INCLUDING DEFAULTS INCLUDING INDEXES)', name);
  FOR other IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
    WHERE c.oid = to_regclass(quote_ident(name)) AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM %s', name, other);
  END LOOP;
  EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name);
  RETURN name;
END $$;
--> statement-breakpoint

-- As in 0007.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
BEGIN
  EXECUTE format('ALTER FUNCTION make_range(timestamp, timestamp) SET search_path = %s, pg_temp', ours);
  EXECUTE 'ALTER FUNCTION make_range(timestamp, timestamp) SECURITY DEFINER';
  REVOKE ALL ON FUNCTION make_range(timestamp, timestamp) FROM PUBLIC;
END $$;
