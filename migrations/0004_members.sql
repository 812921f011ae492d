CREATE TABLE `members` (
	`id` text PRIMARY KEY NOT NULL,
	`org_id` text NOT NULL,
	`email` text NOT NULL,
	`subject` text,
	`role` text NOT NULL,
	`scope_mesh` text,
	`scope_cluster` text,
	`scope_namespace` text,
	`created_at` integer NOT NULL,
	`last_sign_in_at` integer,
	FOREIGN KEY (`org_id`) REFERENCES `orgs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `members_by_email` ON `members` (`org_id`,`email`);--> statement-breakpoint
CREATE UNIQUE INDEX `members_by_subject` ON `members` (`org_id`,`subject`);--> statement-breakpoint
CREATE TABLE `sign_in_providers` (
	`org_id` text PRIMARY KEY NOT NULL,
	`issuer` text NOT NULL,
	`client_id` text NOT NULL,
	`client_secret` text,
	`plane_url` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`org_id`) REFERENCES `orgs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
ALTER TABLE `tokens` ADD `member_id` text;