ALTER TABLE `tokens` ADD `client` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `session_origin` text;--> statement-breakpoint
ALTER TABLE `tokens` ADD `idle_expires_at` integer;