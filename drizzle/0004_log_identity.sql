-- The identity of the log, a place for rows that the inbox could not hand over, and longer labels. The rules of the inbox
-- become one function (0005), so that its checks go.
CREATE TABLE "activity_inbox_refused" (
	"n" bigint PRIMARY KEY NOT NULL,
	"reason" text NOT NULL,
	"event" jsonb NOT NULL,
	"refused_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "log_identity" (
	"only_row" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"log_id" uuid DEFAULT gen_random_uuid() NOT NULL,
	CONSTRAINT "log_identity_only_row" CHECK ("log_identity"."only_row")
);
--> statement-breakpoint
-- PostgreSQL does not change the type of a column that a view shows. The views over the log, our own recent_activity
-- among them, are put aside with their owners and grants, and made again below. Deepest first.
CREATE TEMPORARY TABLE log_views ON COMMIT DROP AS
WITH RECURSIVE dependent(oid, depth) AS (
  SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = 'activity_logs'::regclass
  UNION
  SELECT r.ev_class, v.depth + 1
  FROM dependent v JOIN pg_depend d ON d.refobjid = v.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> v.oid
)
SELECT c.oid::regclass::text AS name, max(v.depth) AS depth, pg_get_viewdef(c.oid) AS definition,
       pg_get_userbyid(c.relowner) AS owner, c.relkind AS kind, c.relacl AS acl, c.reloptions AS options
FROM dependent v JOIN pg_class c ON c.oid = v.oid
GROUP BY c.oid, c.relowner, c.relkind, c.relacl, c.reloptions;
--> statement-breakpoint
DO $$
DECLARE
  shown record;
BEGIN
  FOR shown IN SELECT * FROM log_views ORDER BY depth DESC LOOP
    IF shown.kind <> 'v' THEN
      RAISE EXCEPTION 'the materialized view % shows the log: drop it, migrate, and create it again', shown.name
        USING ERRCODE = 'feature_not_supported';
    END IF;
    EXECUTE 'DROP VIEW ' || shown.name;
  END LOOP;
END $$;
--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "event_type_is_not_blank";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "entity_type_is_not_blank";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "timestamp_is_not_in_the_future";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "ip_address_has_no_mask";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "description_length";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "user_agent_length";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "metadata_is_an_object";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "metadata_length";--> statement-breakpoint
ALTER TABLE "activity_inbox" DROP CONSTRAINT "metadata_numbers_in_range";--> statement-breakpoint
ALTER TABLE "activity_inbox" ALTER COLUMN "event_type" SET DATA TYPE varchar(255);--> statement-breakpoint
ALTER TABLE "activity_inbox" ALTER COLUMN "entity_type" SET DATA TYPE varchar(255);--> statement-breakpoint
ALTER TABLE "activity_logs" ALTER COLUMN "event_type" SET DATA TYPE varchar(255);--> statement-breakpoint
ALTER TABLE "activity_logs" ALTER COLUMN "entity_type" SET DATA TYPE varchar(255);
--> statement-breakpoint
DO $$
DECLARE
  shown record;
  granted record;
BEGIN
  FOR shown IN SELECT * FROM log_views ORDER BY depth LOOP
    EXECUTE 'CREATE VIEW ' || shown.name
      || coalesce(' WITH (' || array_to_string(shown.options, ', ') || ')', '') || ' AS ' || shown.definition;
    IF shown.owner <> current_user THEN
      EXECUTE format('ALTER VIEW %s OWNER TO %I', shown.name, shown.owner);
    END IF;
    FOR granted IN SELECT * FROM aclexplode(shown.acl) LOOP
      EXECUTE format('GRANT %s ON %s TO %s%s', granted.privilege_type, shown.name,
        CASE WHEN granted.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(granted.grantee)) END,
        CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
  END LOOP;
END $$;
--> statement-breakpoint
INSERT INTO log_identity DEFAULT VALUES;
--> statement-breakpoint
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON log_identity FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_identity FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
