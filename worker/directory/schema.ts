import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/**
 * D1: what is not one mesh's. Times are milliseconds since the epoch. `migrations/` is written from this by drizzle-kit
 * (`npx drizzle-kit generate`).
 */

/** One row once the plane has been set up: its insertion is what can't be done twice. */
export const plane = sqliteTable('plane', {
  onlyRow: integer('only_row').primaryKey(),
  setUpAt: integer('set_up_at').notNull(),
})

export const orgs = sqliteTable('orgs', {
  id: text('id').primaryKey(),
  name: text('name').notNull().unique(),
  createdAt: integer('created_at').notNull(),
})

export const tokens = sqliteTable(
  'tokens',
  {
    id: text('id').primaryKey(),
    orgId: text('org_id')
      .notNull()
      .references(() => orgs.id),
    name: text('name').notNull(),
    role: text('role', { enum: ['owner', 'admin', 'editor', 'viewer', 'telemetry'] }).notNull(),
    scopeMesh: text('scope_mesh'),
    scopeCluster: text('scope_cluster'),
    scopeNamespace: text('scope_namespace'),
    /** Whose sign-in it is of. */
    memberId: text('member_id'),
    /** From where somebody has signed in, as JSON. */
    client: text('client'),
    /** Of a browser's session, which is no bearer token: the origin of the pages that it is for, and when it ends unless it is used. */
    sessionOrigin: text('session_origin'),
    idleExpiresAt: integer('idle_expires_at'),
    /** Lower-case hex SHA-256 of the secret part. */
    secretHash: text('secret_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('tokens_by_org').on(table.orgId, table.createdAt, table.id)],
)

/** People who sign in through their org's identity provider. */
export const members = sqliteTable(
  'members',
  {
    id: text('id').primaryKey(),
    orgId: text('org_id')
      .notNull()
      .references(() => orgs.id),
    /** In lower case. */
    email: text('email').notNull(),
    /** What the provider calls somebody for good; null until the first sign-in. */
    subject: text('subject'),
    role: text('role', { enum: ['owner', 'admin', 'editor', 'viewer', 'telemetry'] }).notNull(),
    scopeMesh: text('scope_mesh'),
    scopeCluster: text('scope_cluster'),
    scopeNamespace: text('scope_namespace'),
    createdAt: integer('created_at').notNull(),
    lastSignInAt: integer('last_sign_in_at'),
  },
  (table) => [
    uniqueIndex('members_by_email').on(table.orgId, table.email),
    uniqueIndex('members_by_subject').on(table.orgId, table.subject),
  ],
)

/** The identity provider of an org. */
export const signInProviders = sqliteTable('sign_in_providers', {
  orgId: text('org_id')
    .primaryKey()
    .references(() => orgs.id),
  issuer: text('issuer').notNull(),
  clientId: text('client_id').notNull(),
  /** Sealed; null = a public client. */
  clientSecret: text('client_secret'),
  planeUrl: text('plane_url').notNull(),
  /** Whether people may sign in with a code that they type elsewhere (RFC 8628). */
  allowsDevice: integer('allows_device', { mode: 'boolean' }).notNull().default(false),
  createdAt: integer('created_at').notNull(),
})

/** The directory of meshes. `settings`, `revision` and `clusters` are a read model: the mesh's own store is right when they differ. */
export const meshes = sqliteTable(
  'meshes',
  {
    id: text('id').primaryKey(),
    orgId: text('org_id')
      .notNull()
      .references(() => orgs.id),
    name: text('name').notNull(),
    settings: text('settings').notNull(),
    revision: integer('revision').notNull(),
    clusters: integer('clusters').notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (table) => [uniqueIndex('meshes_by_org').on(table.orgId, table.name)],
)

/** What was done to an org and is not one mesh's. */
export const orgAudit = sqliteTable(
  'org_audit',
  {
    number: integer('number').primaryKey({ autoIncrement: true }),
    orgId: text('org_id').notNull(),
    at: integer('at').notNull(),
    /** As JSON. */
    actor: text('actor').notNull(),
    action: text('action').notNull(),
    target: text('target').notNull(),
    requestId: text('request_id').notNull(),
    /** Place in the org's chain of events. Null until one of this version's workers has seen what an older one wrote. */
    sequence: integer('sequence'),
    outcome: text('outcome', { enum: ['done', 'refused'] })
      .notNull()
      .default('done'),
    /** These three as JSON. */
    client: text('client'),
    detail: text('detail').notNull().default('{}'),
    changes: text('changes').notNull().default('[]'),
    previousHash: text('previous_hash'),
    hash: text('hash'),
  },
  (table) => [
    index('org_audit_by_org').on(table.orgId, table.number),
    // Of two that follow the same event one is refused, with all that was to be written with it.
    uniqueIndex('org_audit_by_sequence').on(table.orgId, table.sequence),
  ],
)

/** The two ends of an org's chain of events: the last that is not kept any more, and the newest. */
export const orgAuditChain = sqliteTable('org_audit_chain', {
  orgId: text('org_id').primaryKey(),
  anchorSequence: integer('anchor_sequence').notNull(),
  anchorHash: text('anchor_hash').notNull(),
  headSequence: integer('head_sequence').notNull(),
  headHash: text('head_hash').notNull(),
})

/** Attempts with a token's id and another secret, by token and address. */
export const failedAttempts = sqliteTable(
  'failed_attempts',
  {
    orgId: text('org_id').notNull(),
    tokenId: text('token_id').notNull(),
    address: text('address').notNull(),
    /** That the audit log has not told of yet; the first and the last of them. */
    unreported: integer('unreported').notNull(),
    since: integer('since').notNull(),
    lastAt: integer('last_at').notNull(),
    /** In a row, none more than an hour after the one before. */
    streak: integer('streak').notNull(),
    reportedAt: integer('reported_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.orgId, table.tokenId, table.address] })],
)

/** Requests that came with an Idempotency-Key. `answer` is sealed with what only the caller has: it may hold a new token's secret. */
export const idempotency = sqliteTable(
  'idempotency',
  {
    caller: text('caller').notNull(),
    key: text('key').notNull(),
    requestHash: text('request_hash').notNull(),
    /** Null while the request is running. */
    status: integer('status'),
    answer: text('answer'),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.caller, table.key] }), index('idempotency_by_expiry').on(table.expiresAt)],
)
