CREATE TABLE `failed_attempts` (
	`org_id` text NOT NULL,
	`token_id` text NOT NULL,
	`address` text NOT NULL,
	`unreported` integer NOT NULL,
	`since` integer NOT NULL,
	`last_at` integer NOT NULL,
	`streak` integer NOT NULL,
	`reported_at` integer NOT NULL,
	PRIMARY KEY(`org_id`, `token_id`, `address`)
);
