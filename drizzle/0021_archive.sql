CREATE TABLE "log_archive_parts" (
	"file" text NOT NULL,
	"n" integer NOT NULL,
	"bytes" "bytea" NOT NULL,
	CONSTRAINT "log_archive_parts_pkey" PRIMARY KEY("file","n")
);
--> statement-breakpoint
CREATE TABLE "log_months" (
	"n" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "log_months_n_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"month" text NOT NULL,
	"step" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"manifest" jsonb NOT NULL
);
--> statement-breakpoint
-- A part is compressed, and read by ranges: compressing it again would cost time and save nothing.
ALTER TABLE log_archive_parts ALTER COLUMN bytes SET STORAGE EXTERNAL;
--> statement-breakpoint
-- The steps are a history. The files are not: those of a month that is packed again replace the older ones.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON log_months FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON log_months FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
