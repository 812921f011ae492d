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
    role: text('role', { enum: ['owner', 'viewer'] }).notNull(),
    scopeMesh: text('scope_mesh'),
    scopeCluster: text('scope_cluster'),
    /** Lower-case hex SHA-256 of the secret part. */
    secretHash: text('secret_hash').notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at').notNull(),
  },
  (table) => [index('tokens_by_org').on(table.orgId, table.createdAt, table.id)],
)

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
  },
  (table) => [index('org_audit_by_org').on(table.orgId, table.number)],
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
