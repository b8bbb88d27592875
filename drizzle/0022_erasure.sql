CREATE TABLE "log_erasures" (
	"id" bigint NOT NULL,
	"field" text NOT NULL,
	"commitment" "bytea",
	"salt" "bytea",
	CONSTRAINT "log_erasures_pkey" PRIMARY KEY("id","field"),
	CONSTRAINT "log_erasures_one" CHECK (("log_erasures"."commitment" is null) <> ("log_erasures"."salt" is null))
);

--> statement-breakpoint

-- An event is changed in one way: values that can be erased become null, each of which has its commitment in log_erasures.
-- The uid of an event may then go from log_uids. All other changes are refused as before.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME LIKE 'activity\_logs%' THEN
    IF NOT EXISTS (
      SELECT FROM jsonb_each(to_jsonb(OLD)) o JOIN jsonb_each(to_jsonb(NEW)) n USING (key)
      WHERE o.value <> n.value AND NOT (n.value = 'null' AND EXISTS (
        SELECT FROM log_erasures e WHERE e.id = OLD.id AND e.field = o.key AND e.commitment IS NOT NULL))
    ) THEN
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'log_uids' THEN
    IF EXISTS (
      SELECT FROM log_erasures e WHERE e.id = OLD.id AND e.field = 'event_uid' AND e.commitment IS NOT NULL
    ) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION '% on % is refused: the log is append-only', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'Write through append_logs(), or INSERT INTO activity_inbox.';
END $$;
--> statement-breakpoint

-- Erases values of events of one tile: {"id": …, "field": …, "commitment": hex} of what goes, {"id": …, "field": …, "salt":
-- hex} of what stays. `before` are the keys that the caller has read, `after` those without the keys of these events.
-- False when the keys are others meanwhile: then nothing is done.
CREATE FUNCTION erase_events(its_tile bigint, before text, after text, erased jsonb) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  UPDATE log_tile_keys SET nodes = decode(after, 'hex') WHERE tile = its_tile AND nodes = decode(before, 'hex');
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO log_erasures AS old (id, field, commitment, salt)
  SELECT e.id, e.field, decode(e.commitment, 'hex'), decode(e.salt, 'hex')
  FROM jsonb_to_recordset(erased) AS e (id bigint, field text, commitment text, salt text)
  ON CONFLICT ON CONSTRAINT log_erasures_pkey DO UPDATE SET commitment = excluded.commitment, salt = excluded.salt
  WHERE old.commitment IS NULL;
  WITH gone AS (
    SELECT e.id, array_agg(e.field) AS fields
    FROM jsonb_to_recordset(erased) AS e (id bigint, field text, commitment text) WHERE e.commitment IS NOT NULL GROUP BY e.id
  )
  UPDATE activity_logs l SET
    entity_id = CASE WHEN 'entity_id' = ANY (g.fields) THEN NULL ELSE l.entity_id END,
    user_id = CASE WHEN 'user_id' = ANY (g.fields) THEN NULL ELSE l.user_id END,
    description = CASE WHEN 'description' = ANY (g.fields) THEN NULL ELSE l.description END,
    metadata = CASE WHEN 'metadata' = ANY (g.fields) THEN NULL ELSE l.metadata END,
    ip_address = CASE WHEN 'ip_address' = ANY (g.fields) THEN NULL ELSE l.ip_address END,
    user_agent = CASE WHEN 'user_agent' = ANY (g.fields) THEN NULL ELSE l.user_agent END,
    trace_id = CASE WHEN 'trace_id' = ANY (g.fields) THEN NULL ELSE l.trace_id END,
    session_id = CASE WHEN 'session_id' = ANY (g.fields) THEN NULL ELSE l.session_id END,
    event_uid = CASE WHEN 'event_uid' = ANY (g.fields) THEN NULL ELSE l.event_uid END,
    span_id = CASE WHEN 'span_id' = ANY (g.fields) THEN NULL ELSE l.span_id END,
    parent_span_id = CASE WHEN 'parent_span_id' = ANY (g.fields) THEN NULL ELSE l.parent_span_id END,
    caused_by = CASE WHEN 'caused_by' = ANY (g.fields) THEN NULL ELSE l.caused_by END
  FROM gone g WHERE l.id = g.id;
  DELETE FROM log_uids u USING jsonb_to_recordset(erased) AS e (id bigint, field text, commitment text)
  WHERE u.id = e.id AND e.field = 'event_uid' AND e.commitment IS NOT NULL;
  RETURN true;
END $$;
--> statement-breakpoint

-- Has everything derived anew that is derived from values that can be erased, and forgets what else has this value as a
-- subject. Until a reader has caught up, what it derives is counted from the events, and is exact.
CREATE FUNCTION forget_derived(readers text[], value text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  -- A reader of another log forgets what it has derived, and begins again.
  UPDATE log_readers r SET log_id = gen_random_uuid() WHERE r.name = ANY (readers);
  DELETE FROM log_actor a WHERE strpos(lower(a.subject || a.state::text), lower(value)) > 0;
  DELETE FROM log_story s WHERE strpos(lower(s.subject || s.story || s.facts::text), lower(value)) > 0;
  UPDATE log_readers r SET state = NULL WHERE strpos(lower(r.state::text), lower(value)) > 0;
  DELETE FROM activity_inbox_refused f WHERE strpos(lower(f.event::text || f.reason), lower(value)) > 0;
  DELETE FROM log_refused f WHERE strpos(lower(f.reason), lower(value)) > 0;
END $$;
--> statement-breakpoint

CREATE TRIGGER refuse_delete BEFORE DELETE ON log_erasures FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_erasures FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- As in 0006. Nobody but the owner erases.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace
             AND p.proname IN ('erase_events', 'forget_derived', 'refuse_change') LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
  END LOOP;
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace AND p.proname IN ('erase_events', 'forget_derived') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
