-- Whoever was signed in signs in once more: nobody knows any more with which password they did.
DELETE FROM "log_sessions";--> statement-breakpoint
ALTER TABLE "log_sessions" ADD COLUMN "proof" text NOT NULL;
