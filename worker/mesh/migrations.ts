import { migrationsOf01 } from './migrations-of-0.1.ts'

/**
 * The schema of a mesh's own SQLite, as an append-only list: an object that sleeps for a year wakes up under new code and runs
 * what it has not run yet. Never edit an entry that has been released; add one.
 */
export const migrations: readonly string[] = [
  ...migrationsOf01,
  `
  -- What clusters may publish mesh-wide; '*' = any.
  CREATE TABLE publish_grants (
    id TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (cluster, namespace, kind)
  );
  -- The objects that clusters ask to have published, as they have them. "problem": what is wrong with one by itself (JSON). "published":
  -- the revision that brought it into the mesh, NULL = it is not there; "changed": the document is a later one than that. "absent": it has
  -- gone from its cluster, and waits for a person. "listed": the full message that named it last.
  CREATE TABLE candidates (
    cluster TEXT NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    since INTEGER NOT NULL,
    document TEXT NOT NULL,
    chars INTEGER NOT NULL AS (length(document)) STORED,
    problem TEXT,
    published INTEGER,
    changed INTEGER NOT NULL DEFAULT 1,
    absent INTEGER NOT NULL DEFAULT 0,
    listed TEXT,
    publication TEXT,
    PRIMARY KEY (cluster, key)
  );
  CREATE INDEX candidates_size ON candidates (cluster, chars);
  CREATE TABLE held_withdrawals (
    cluster TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    removed INTEGER NOT NULL
  );
  ALTER TABLE clusters ADD COLUMN publish_boot TEXT;
  ALTER TABLE clusters ADD COLUMN publish_sequence INTEGER;
  -- What is to be published is worked out anew when more has been asked for than was done.
  ALTER TABLE mesh ADD COLUMN publish_wanted INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE mesh ADD COLUMN publish_done INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- How many endpoints may go by what was confirmed; null = the agent did not say how many it held.
  ALTER TABLE hold_grants ADD COLUMN endpoints INTEGER;

  -- Joins that were refused to who has the token, in the hour that began then.
  ALTER TABLE join_tokens ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE join_tokens ADD COLUMN refusals_since INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What clusters say of the mesh's objects (worker/mesh/object-problems.ts), in the order in which they said it.
  CREATE TABLE object_conditions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster TEXT NOT NULL,
    key TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL
  );
  CREATE INDEX object_conditions_by_cluster ON object_conditions (cluster, number);
  CREATE INDEX object_conditions_by_key ON object_conditions (key);
  -- With those that were too many to be named.
  CREATE TABLE object_problem_counts (cluster TEXT PRIMARY KEY, problems INTEGER NOT NULL);
  `,
  `
  -- CAs of others that the root has signed (worker/mesh/issuers.ts). "clusters" is JSON: where their leaves are trusted.
  CREATE TABLE issuers (
    name TEXT PRIMARY KEY,
    clusters TEXT NOT NULL,
    serial TEXT NOT NULL,
    created_at INTEGER NOT NULL
  );
  `,
  // What is published may be more than a grant for a namespace covers: it is worked out anew.
  `UPDATE mesh SET publish_wanted = publish_wanted + 1;`,
  // "workload" is the name of a WorkloadGroup.
  `ALTER TABLE machine_tokens ADD COLUMN of_group INTEGER NOT NULL DEFAULT 0;`,
  // The configuration's revision at which the cluster judged objects; null = its agent does not tell.
  `ALTER TABLE object_problem_counts ADD COLUMN revision INTEGER;`,
  // Evicted clusters whose stores of telemetry have not heard of it yet.
  `CREATE TABLE telemetry_ends (cluster TEXT PRIMARY KEY, at INTEGER NOT NULL);`,
  `
  -- Beside evicted clusters those that have another retention now: then "is_end" is 0.
  ALTER TABLE telemetry_ends RENAME TO telemetry_news;
  ALTER TABLE telemetry_news ADD COLUMN is_end INTEGER NOT NULL DEFAULT 1;
  `,
  `
  -- Audit events are a chain: each has the hash of the one before (worker/mesh/audit.ts, which gives them to those that are there already).
  -- "client" and "changes" are JSON.
  ALTER TABLE audit ADD COLUMN client TEXT;
  ALTER TABLE audit ADD COLUMN changes TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE audit ADD COLUMN previous_hash TEXT;
  ALTER TABLE audit ADD COLUMN hash TEXT;
  -- Its two ends: the last event that is not kept any more, and the newest.
  CREATE TABLE audit_chain (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    anchor_sequence INTEGER NOT NULL,
    anchor_hash TEXT NOT NULL,
    head_sequence INTEGER NOT NULL,
    head_hash TEXT NOT NULL
  );
  `,
  `
  -- Joins with a token's id and another secret, in the time from "guesses_since" on; when the audit log last told of such.
  ALTER TABLE join_tokens ADD COLUMN guesses INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE join_tokens ADD COLUMN guesses_since INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE join_tokens ADD COLUMN guesses_told_at INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Rotations of the root (worker/mesh/rotation), the last one is under way while "ended_at" is NULL. "told": the version of the trust that the
  -- step has agents hold; "met_since": since when nothing is waited for; "left_behind", "steps" and "waits" are JSON.
  CREATE TABLE rotations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    reason TEXT NOT NULL,
    direction TEXT NOT NULL,
    step TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    from_root TEXT NOT NULL,
    from_serial TEXT NOT NULL,
    to_root TEXT NOT NULL,
    to_serial TEXT NOT NULL,
    grace_ms INTEGER NOT NULL,
    told INTEGER NOT NULL,
    met_since INTEGER,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    left_behind TEXT NOT NULL DEFAULT '[]',
    steps TEXT NOT NULL DEFAULT '[]',
    waits TEXT NOT NULL DEFAULT '[]',
    waiting INTEGER NOT NULL DEFAULT 0
  );
  -- What the replicas of agents sign with, as they said last.
  CREATE TABLE signers (
    cluster TEXT NOT NULL,
    replica TEXT NOT NULL,
    signer TEXT,
    other_leaves INTEGER NOT NULL,
    PRIMARY KEY (cluster, replica)
  );
  -- "root": key id of who signed it, NULL = not looked at yet; "told": the version of the trust that brought it to the agents first.
  ALTER TABLE certificates ADD COLUMN root TEXT;
  ALTER TABLE certificates ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE roots ADD COLUMN trusted INTEGER NOT NULL DEFAULT 1;
  -- 0: the trust has not been told with a version yet.
  ALTER TABLE mesh ADD COLUMN trust_version INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Who made a root: the "plane"; somebody else, with its key ("uploaded"), or for a key of the plane's ("requested"). "above": JSON, the certificates (PEM)
  -- of those above it, none of which is trusted.
  ALTER TABLE roots ADD COLUMN origin TEXT NOT NULL DEFAULT 'plane';
  ALTER TABLE roots ADD COLUMN above TEXT NOT NULL DEFAULT '[]';
  -- A key that waits for the certificate that somebody else signs.
  CREATE TABLE root_requests (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    key_id TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    csr_pem TEXT NOT NULL,
    created_at INTEGER NOT NULL
  );
  `,
  `
  -- Limits over the mesh (worker/mesh/limits): until when rates may have been leased, and what is used of each day's quotas, leases included.
  CREATE TABLE rate_mark (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), until INTEGER NOT NULL);
  CREATE TABLE quota_uses (
    day INTEGER NOT NULL,
    limit_name TEXT NOT NULL,
    consumer TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (day, limit_name, consumer)
  ) WITHOUT ROWID;
  `,
  // The key of a root that a KMS keeps, by its name there: then there is nothing in "sealed_key".
  `ALTER TABLE roots ADD COLUMN kms_key TEXT;`,
  `
  -- JSON, by cluster: how many of those that are used were given to it, and not given back.
  ALTER TABLE quota_uses ADD COLUMN lent TEXT NOT NULL DEFAULT '{}';
  `,
  `
  -- By a key that is not in here (worker/audit/event-signer.ts). NULL: written before there were signatures, or by a plane without its secret.
  ALTER TABLE audit ADD COLUMN signature TEXT;
  `,
  `
  -- Joins with a token's id and another secret: how many came within an hour of the one before, and when the last did.
  ALTER TABLE join_tokens ADD COLUMN guess_streak INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE join_tokens ADD COLUMN guessed_at INTEGER NOT NULL DEFAULT 0;
  `,
  // How much the agents of a cluster have had the audit log tell of late.
  `CREATE INDEX audit_by_agent ON audit (actor_id, at) WHERE actor_kind = 'agent';`,
]
