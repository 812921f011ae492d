/** What version 0.1 has run in its objects (migrations.ts). Never edit it. */
export const migrationsOf01: readonly string[] = [
  `
  -- What there is one of. "sequence" is the head of the state log; a position before "horizon" can't be resumed.
  CREATE TABLE mesh (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    org_id TEXT NOT NULL,
    mesh_id TEXT NOT NULL,
    settings TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    generation TEXT NOT NULL,
    epoch TEXT NOT NULL,
    epoch_started_at INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    horizon INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    trust_epoch INTEGER NOT NULL,
    ticked_at INTEGER NOT NULL
  );

  -- The compacted log of what agents are told (mesh/state.ts): the latest value of each key, item NULL = tombstone.
  -- "narrowed" is the last sequence at which somebody lost sight of the key.
  CREATE TABLE state (
    key TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    audience TEXT NOT NULL,
    cluster TEXT,
    network TEXT,
    export_to TEXT,
    narrowed INTEGER NOT NULL,
    item TEXT,
    chars INTEGER NOT NULL AS (coalesce(length(item), 0)) STORED
  );
  CREATE INDEX state_by_sequence ON state (sequence, chars);
  CREATE INDEX state_tombstones ON state (sequence) WHERE item IS NULL;
  CREATE INDEX state_restricted ON state (key) WHERE export_to IS NOT NULL AND item IS NOT NULL;

  CREATE TABLE objects (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    revision INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    document TEXT NOT NULL
  );
  CREATE INDEX objects_by_kind ON objects (kind, revision);
  CREATE TABLE revisions (
    revision INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    operation TEXT NOT NULL,
    rollback_to INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    deleted INTEGER NOT NULL
  );
  CREATE TABLE revision_changes (
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    before TEXT,
    after TEXT,
    PRIMARY KEY (revision, key)
  );

  CREATE TABLE clusters (
    name TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    kind TEXT NOT NULL,
    evicted_at INTEGER,
    identity_key TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    last_seen_at INTEGER,
    interest_since INTEGER NOT NULL,
    term INTEGER NOT NULL,
    reporter TEXT,
    report_boot TEXT,
    report_sequence INTEGER,
    gateways TEXT NOT NULL,
    namespaces TEXT NOT NULL,
    contribution TEXT NOT NULL,
    vacant_ms INTEGER,
    delivery TEXT
  );

  -- What the clusters report, one row for each service of each cluster (mesh/service.ts CatalogEntry). "label_keys" are those that
  -- its summary in the state log was made with.
  CREATE TABLE services (
    service TEXT NOT NULL,
    cluster TEXT NOT NULL,
    namespace TEXT NOT NULL,
    hostname TEXT NOT NULL,
    endpoints INTEGER NOT NULL,
    healthy INTEGER NOT NULL,
    label_keys TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (service, cluster)
  );
  CREATE INDEX services_by_hostname ON services (hostname);
  CREATE INDEX services_by_cluster ON services (cluster, service, endpoints);

  -- Chunks of reports: of one that is not complete yet (session = whose), or of a cluster's held step (session NULL).
  CREATE TABLE report_chunks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster TEXT NOT NULL,
    session TEXT,
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    mode TEXT NOT NULL,
    chunk TEXT NOT NULL
  );
  CREATE INDEX report_chunks_by_cluster ON report_chunks (cluster, number);
  CREATE TABLE held_reports (
    cluster TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL
  );
  CREATE TABLE agent_holds (
    cluster TEXT NOT NULL,
    replica TEXT NOT NULL,
    holds TEXT NOT NULL,
    PRIMARY KEY (cluster, replica)
  );
  CREATE TABLE probes (
    target TEXT NOT NULL,
    prober TEXT NOT NULL,
    address TEXT NOT NULL,
    port INTEGER NOT NULL,
    reachable INTEGER NOT NULL,
    PRIMARY KEY (target, prober, address, port)
  );
  CREATE INDEX probes_by_prober ON probes (prober);

  CREATE TABLE join_tokens (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    cluster TEXT NOT NULL,
    network TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_for TEXT,
    serial TEXT
  );
  CREATE TABLE machine_tokens (
    id TEXT PRIMARY KEY,
    cluster TEXT NOT NULL,
    role TEXT NOT NULL,
    namespace TEXT NOT NULL,
    service_account TEXT NOT NULL,
    workload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  );
  CREATE INDEX machine_tokens_by_cluster ON machine_tokens (cluster);

  -- A root's private key is here only sealed (worker/ca/sealed-key.ts).
  CREATE TABLE roots (
    key_id TEXT PRIMARY KEY,
    serial TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    pem TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    signing INTEGER NOT NULL
  );
  -- A serial is here before anything is signed with it.
  CREATE TABLE certificates (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    serial TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    cluster TEXT,
    request_hash TEXT,
    issued_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    pem TEXT,
    fingerprint TEXT,
    state TEXT NOT NULL,
    superseded_at INTEGER
  );
  CREATE INDEX certificates_by_cluster ON certificates (cluster, state);

  CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    cluster TEXT,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    request_id TEXT
  );

  -- What the read models in D1 have yet to hear.
  CREATE TABLE outbox (topic TEXT PRIMARY KEY, since INTEGER NOT NULL);
  `,
  `
  -- What people let agents do that hold it, each good for one report (worker/mesh/hold-grants.ts).
  CREATE TABLE hold_grants (
    cluster TEXT NOT NULL,
    hold TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (cluster, hold)
  );
  -- The confirmation that the agent spoke of and nobody gave.
  ALTER TABLE held_reports ADD COLUMN claimed TEXT;

  -- A row: the mesh was deleted for good, and nothing may be made of this object again.
  CREATE TABLE destroyed (at INTEGER NOT NULL);
  `,
]
