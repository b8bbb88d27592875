CREATE TABLE "log_checkpoints" (
	"size" bigint PRIMARY KEY NOT NULL,
	"root" "bytea" NOT NULL,
	"note" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "log_tile_keys" (
	"tile" bigint PRIMARY KEY NOT NULL,
	"nodes" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "log_tiles" (
	"level" integer NOT NULL,
	"n" bigint NOT NULL,
	"root" "bytea" NOT NULL,
	"hashes" "bytea",
	CONSTRAINT "log_tiles_pkey" PRIMARY KEY("level","n")
);

--> statement-breakpoint

-- Keeps keys of tiles that have none yet: {"tile": …, "nodes": hex}. The first one wins, so that all instances use the same.
CREATE FUNCTION add_tile_keys(added jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
  INSERT INTO log_tile_keys (tile, nodes)
  SELECT a.tile, decode(a.nodes, 'hex') FROM jsonb_to_recordset(added) AS a (tile bigint, nodes text)
  ON CONFLICT DO NOTHING;
$$;
--> statement-breakpoint

-- Keeps full tiles: {"level": …, "n": …, "root": hex, "hashes": hex or null}. Returns how many of them the tree has with
-- another root: who gets more than 0 has read another history, and must not sign.
CREATE FUNCTION add_tiles(added jsonb) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO log_tiles (level, n, root, hashes)
  SELECT a.level, a.n, decode(a.root, 'hex'), decode(a.hashes, 'hex')
  FROM jsonb_to_recordset(added) AS a (level integer, n bigint, root text, hashes text)
  ON CONFLICT DO NOTHING;
  RETURN (
    SELECT count(*) FROM jsonb_to_recordset(added) AS a (level integer, n bigint, root text)
    JOIN log_tiles t ON t.level = a.level AND t.n = a.n WHERE t.root <> decode(a.root, 'hex')
  );
END $$;
--> statement-breakpoint

-- Keeps a checkpoint, and of those before it the first one of each minute. False when there is one of this size with
-- another root.
CREATE FUNCTION add_checkpoint(its_size bigint, its_root text, its_note text) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  minute timestamptz := date_trunc('minute', clock_timestamp());
BEGIN
  INSERT INTO log_checkpoints (size, root, note) VALUES (its_size, decode(its_root, 'hex'), its_note)
  ON CONFLICT DO NOTHING;
  DELETE FROM log_checkpoints c
  WHERE c.size < its_size AND c.at >= minute
    AND EXISTS (SELECT FROM log_checkpoints e WHERE e.size < c.size AND e.at >= minute);
  RETURN (SELECT c.root = decode(its_root, 'hex') FROM log_checkpoints c WHERE c.size = its_size);
END $$;
--> statement-breakpoint

CREATE INDEX "log_checkpoints_at" ON "log_checkpoints" USING btree ("at");
--> statement-breakpoint

-- What was signed is not changed, and no tile gets another root. Tiles of retired months lose their hashes, no more.
CREATE TRIGGER refuse_change BEFORE UPDATE ON log_checkpoints FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_change BEFORE UPDATE OF level, n, root OR DELETE ON log_tiles FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_tiles FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_delete BEFORE DELETE ON log_tile_keys FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_tile_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint

-- As in 0006.
DO $$
DECLARE
  ours name := (SELECT c.relnamespace::regnamespace::text FROM pg_class c WHERE c.oid = 'activity_logs'::regclass);
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p
           WHERE p.pronamespace = ours::regnamespace
             AND p.proname IN ('add_tile_keys', 'add_tiles', 'add_checkpoint') LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', f, ours);
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
END $$;
