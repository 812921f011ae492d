CREATE TABLE `org_audit_chain` (
	`org_id` text PRIMARY KEY NOT NULL,
	`anchor_sequence` integer NOT NULL,
	`anchor_hash` text NOT NULL,
	`head_sequence` integer NOT NULL,
	`head_hash` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `org_audit` ADD `sequence` integer;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `outcome` text DEFAULT 'done' NOT NULL;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `client` text;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `detail` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `changes` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `previous_hash` text;--> statement-breakpoint
ALTER TABLE `org_audit` ADD `hash` text;--> statement-breakpoint
CREATE UNIQUE INDEX `org_audit_by_sequence` ON `org_audit` (`org_id`,`sequence`);