-- A plan for steps of any size, which a session makes after five of them, took 15 times as long as one for the step at hand.
DO $$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.proname = 'derive_seen_1'
             AND p.pronamespace = (SELECT c.relnamespace FROM pg_class c WHERE c.oid = 'activity_logs'::regclass) LOOP
    EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_custom_plan', f);
  END LOOP;
END $$;
