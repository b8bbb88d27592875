-- Whether the ids of a step pass a power of two of at least 1,024: then a reader analyzes what it looks up in. A server would do
-- it within a minute, the embedded database within five, and until then the planner knows of no index that it selects less
-- than another: a step of 5,000 ids read all visits for each user, for 20 seconds.
CREATE FUNCTION is_doubled(after bigint, upto bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT upto >= 1024 AND floor(log(2, greatest(after, 1))) < floor(log(2, upto))
$$;
--> statement-breakpoint

-- Where a vacuum holds the table, it is analyzed another time: the step must not wait for that, and fail.
CREATE FUNCTION analyze_now(of_table regclass) RETURNS void LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
  EXECUTE format('ANALYZE %s', of_table);
EXCEPTION WHEN lock_not_available THEN
  NULL;
END $$;
--> statement-breakpoint

-- Keeps the event in which a subject first had a value. The events of a step have larger ids than those of the steps before:
-- a value that is stored already was seen earlier, and the first 1,000 values of a subject are the same ones whatever the
-- step sizes. What the service itself wrote (service = edgetrail) is left out.
CREATE OR REPLACE FUNCTION derive_seen_1(after bigint, upto bigint) RETURNS void
  -- The planner knows nothing of the facts of a step, and little of a table that grows with each: it must neither compare all
  -- of the one with all of the other, nor keep a plan of a step that was smaller or found the table empty.
  LANGUAGE plpgsql SET enable_nestloop = 'off' SET enable_seqscan = 'off' SET plan_cache_mode = 'force_custom_plan' AS $$
BEGIN
  WITH fresh AS MATERIALIZED (
    SELECT l.id, l."timestamp", l.event_type, l.entity_type, l.user_id, l.service, l.ip_address, l.user_agent
    FROM activity_logs l
    WHERE l.id > after AND l.id <= upto AND l.service IS DISTINCT FROM 'edgetrail'
  ), facts AS (
    SELECT 'action' AS kind, '' AS subject, jsonb_build_array(e.event_type, e.entity_type)::text AS value, min(e.id) AS first_id
    FROM fresh e GROUP BY e.event_type, e.entity_type
    UNION ALL
    SELECT 'service_action', e.service, jsonb_build_array(e.event_type, e.entity_type)::text, min(e.id)
    FROM fresh e WHERE e.service IS NOT NULL GROUP BY e.service, e.event_type, e.entity_type
    UNION ALL
    SELECT 'user_action', e.user_id, jsonb_build_array(e.event_type, e.entity_type)::text, min(e.id)
    FROM fresh e WHERE e.user_id IS NOT NULL GROUP BY e.user_id, e.event_type, e.entity_type
    UNION ALL
    SELECT 'user_network', e.user_id, e.network::text, min(e.id)
    FROM (SELECT f.user_id, f.id, network(set_masklen(f.ip_address, CASE family(f.ip_address) WHEN 4 THEN 24 ELSE 48 END)) AS network
          FROM fresh f WHERE f.user_id IS NOT NULL AND f.ip_address IS NOT NULL) e
    GROUP BY e.user_id, e.network
    UNION ALL
    -- The browser, in the order in which they name each other; of any other client the first word up to its version.
    SELECT 'user_agent', g.user_id, g.family, min(g.id)
    FROM (
      SELECT e.user_id, min(e.id) AS id,
             CASE WHEN e.user_agent LIKE '%Edg%/%' THEN 'Edge' WHEN e.user_agent LIKE '%OPR/%' THEN 'Opera'
                  WHEN e.user_agent LIKE '%Firefox/%' OR e.user_agent LIKE '%FxiOS/%' THEN 'Firefox'
                  WHEN e.user_agent LIKE '%Chrom%/%' OR e.user_agent LIKE '%CriOS/%' THEN 'Chrome'
                  WHEN e.user_agent LIKE '%Safari/%' THEN 'Safari'
                  ELSE substring(e.user_agent FROM '^[^/ ]{1,60}') END AS family
      FROM fresh e WHERE e.user_id IS NOT NULL AND e.user_agent IS NOT NULL GROUP BY e.user_id, e.user_agent
    ) g WHERE g.family IS NOT NULL GROUP BY g.user_id, g.family
    UNION ALL
    SELECT 'user_slot', e.user_id, lpad((e.slot * 2)::text, 2, '0'), min(e.id)
    FROM (SELECT f.user_id, f.id, extract(hour FROM f."timestamp" AT TIME ZONE 'UTC')::integer / 2 AS slot
          FROM fresh f WHERE f.user_id IS NOT NULL) e
    WHERE e.slot IS NOT NULL GROUP BY e.user_id, e.slot
  ), cut AS (
    -- A row of an index has at most 2,704 bytes.
    SELECT f.kind, f.subject, f.first_id,
           CASE WHEN octet_length(f.value) > 1000 THEN left(f.value, 150) || '…' || md5(f.value) ELSE f.value END AS value
    FROM facts f
  ), news AS MATERIALIZED (
    SELECT c.*, row_number() OVER (PARTITION BY c.kind, c.subject COLLATE "C" ORDER BY c.first_id) AS place
    FROM cut c
    -- OFFSET 0 makes it a look at the key for each fact, and no join.
    WHERE NOT EXISTS (SELECT FROM log_seen s
                      WHERE s.version = 1 AND s.kind = c.kind AND s.subject = c.subject AND s.value = c.value OFFSET 0)
  ), counted AS (
    -- No join: without statistics of either side, one compared each new fact with each subject of its kind.
    SELECT w.*, w.place + max(CASE WHEN w.place = 1 THEN (
        SELECT count(*) FROM log_seen s WHERE s.version = 1 AND s.kind = w.kind AND s.subject = w.subject) END)
      OVER (PARTITION BY w.kind, w.subject COLLATE "C") AS n
    FROM news w
  )
  INSERT INTO log_seen (version, kind, subject, value, first_id, first_at)
  SELECT 1, c.kind, c.subject, CASE WHEN c.n > 1000 THEN '' ELSE c.value END, c.first_id, e."timestamp"
  FROM counted c JOIN fresh e ON e.id = c.first_id
  WHERE c.n <= 1001
  ON CONFLICT DO NOTHING;
  IF is_doubled(after, upto) THEN
    PERFORM analyze_now('log_seen');
  END IF;
END $$;
--> statement-breakpoint

-- The name of a visit is its smallest id, and the ids of a step are larger than those of the steps before: what is replaced
-- keeps the row of the smallest name and loses the others.
CREATE OR REPLACE FUNCTION derive_visits_1(after bigint, upto bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH beyond AS MATERIALIZED (
    SELECT * FROM visits_beyond_1(after, upto)
  ), joined AS (
    DELETE FROM log_visit v
    WHERE v.version = 1 AND v.visit = ANY (ARRAY(
      SELECT r.visit FROM beyond b CROSS JOIN LATERAL unnest(b.replaced) AS r (visit) WHERE r.visit <> b.visit))
  )
  INSERT INTO log_visit AS old (version, visit, user_id, session_id, started, ended, n, last_id, shared)
  SELECT 1, b.visit, b.user_id, b.session_id, b.started, b.ended, b.n, b.last_id, b.shared FROM beyond b
  ON CONFLICT ON CONSTRAINT log_visit_pkey DO UPDATE
    SET user_id = excluded.user_id, started = excluded.started, ended = excluded.ended, n = excluded.n,
        last_id = excluded.last_id, shared = excluded.shared;
  IF is_doubled(after, upto) THEN
    PERFORM analyze_now('log_visit');
  END IF;
END $$;
--> statement-breakpoint

-- As in 0006.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace
             AND p.proname IN ('is_doubled', 'analyze_now', 'derive_seen_1', 'derive_visits_1') LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
