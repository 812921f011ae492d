/** The schema of a cluster's telemetry, step by step. Append only: objects out there stand at any of these. Times are milliseconds since the epoch. */
export const migrations: readonly string[] = [
  `
  -- One row, once there is something: whose it is, and since when nothing is taken that was allowed before.
  CREATE TABLE store (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    org_id TEXT NOT NULL,
    mesh_id TEXT NOT NULL,
    cluster TEXT NOT NULL,
    log_days INTEGER NOT NULL,
    trace_days INTEGER NOT NULL,
    ended_at INTEGER NOT NULL DEFAULT 0,
    -- The archive is to be emptied.
    is_ending INTEGER NOT NULL DEFAULT 0
  );

  -- Batches that are stored, by the SHA-256 of their bytes.
  CREATE TABLE batches (
    signal TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (signal, sha256)
  ) WITHOUT ROWID;
  CREATE INDEX batches_by_age ON batches (received_at);

  -- Records that are not archived yet, many in a row. Times of records are microseconds.
  CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    signal TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    max_duration INTEGER NOT NULL,
    max_code INTEGER NOT NULL,
    bloom BLOB NOT NULL,
    body BLOB NOT NULL
  );
  CREATE INDEX chunks_by_signal ON chunks (signal, id);
  -- Their sums, so that no batch has to count all of them.
  CREATE TABLE waiting (
    signal TEXT PRIMARY KEY,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- When the oldest came.
    since INTEGER NOT NULL
  );

  -- What is being archived: all chunks of a signal up to this one. Tried again it makes the same objects, whatever has come in since.
  CREATE TABLE compactions (signal TEXT PRIMARY KEY, first_chunk INTEGER NOT NULL, last_chunk INTEGER NOT NULL);

  -- Objects of the archive. "groups" is JSON: what each row group holds.
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    signal TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    records INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    min_time INTEGER NOT NULL,
    max_time INTEGER NOT NULL,
    groups TEXT NOT NULL,
    last_chunk INTEGER NOT NULL
  );
  CREATE INDEX segments_by_time ON segments (signal, max_time);
  CREATE TABLE segment_blooms (segment INTEGER PRIMARY KEY, bloom BLOB NOT NULL);
  `,
  `
  -- Metrics as they were sent, until they are rolled up: a block of fine slots each.
  CREATE TABLE rollup_batches (
    hash TEXT PRIMARY KEY,
    home_hour INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    points INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    body BLOB NOT NULL
  ) WITHOUT ROWID;
  -- What was counted in an hour since the epoch, in slots of a step. is_merged: nothing came to this hour since its parts were made one.
  CREATE TABLE rollup_parts (
    hour INTEGER NOT NULL,
    step_ms INTEGER NOT NULL,
    part INTEGER NOT NULL,
    points INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    is_merged INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (hour, step_ms, part)
  ) WITHOUT ROWID;
  -- The hashes of the batches that are in the parts, one after the other, in the hour of each one's earliest.
  CREATE TABLE rollup_hours (hour INTEGER PRIMARY KEY, batches TEXT NOT NULL);
  -- What was counted of each series since it is known; its slot is the hour of the last.
  CREATE TABLE rollup_totals (part INTEGER PRIMARY KEY, body BLOB NOT NULL);
  `,
  `
  -- As of when things are kept for so long.
  ALTER TABLE store ADD COLUMN retention_as_of INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- The hashes of the batches that are in the parts, until the hour of each one's newest is forgotten. A row each: one for all of an hour has no room for the batches of many senders.
  CREATE TABLE rollup_known (hash TEXT PRIMARY KEY, hour INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX rollup_known_by_hour ON rollup_known (hour);
  WITH RECURSIVE places (hour, batches, at) AS (
    SELECT hour, batches, 1 FROM rollup_hours
    UNION ALL SELECT hour, batches, at + 32 FROM places WHERE at + 32 < length(batches)
  )
  INSERT OR IGNORE INTO rollup_known (hash, hour) SELECT substr(batches, at, 32), hour FROM places;
  DROP TABLE rollup_hours;
  ALTER TABLE rollup_batches DROP COLUMN home_hour;
  `,
  `
  -- Of records as they are in memory. What came before it was counted may be as large as a whole segment.
  ALTER TABLE chunks ADD COLUMN unpacked INTEGER NOT NULL DEFAULT 16777216;
  ALTER TABLE waiting ADD COLUMN unpacked INTEGER NOT NULL DEFAULT 16777216;
  `,
  `
  -- What rollups take in memory, in place of how many points they have: a histogram's is many times a sum's. tries: how often it was tried to roll a batch up.
  ALTER TABLE rollup_batches ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollup_batches ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
  UPDATE rollup_batches SET bytes = points * 2000;
  ALTER TABLE rollup_batches DROP COLUMN points;
  ALTER TABLE rollup_parts ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE rollup_parts SET bytes = points * 300;
  ALTER TABLE rollup_parts DROP COLUMN points;
  `,
  `
  -- A batch that was tried since others were last rolled up is accused: when the next are rolled up, its failing is a fault of its own.
  ALTER TABLE rollup_batches ADD COLUMN is_accused INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE rollup_batches ADD COLUMN faults INTEGER NOT NULL DEFAULT 0;
  `,
]
