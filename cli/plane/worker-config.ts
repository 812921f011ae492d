import type { MiniflareOptions } from 'miniflare'
import type { HostOrder } from './host-protocol.ts'

type WorkerOptions = MiniflareOptions['workers'][number]

const compatibilityDate = '2026-11-01'
const database = { type: 'd1', id: 'atoll' } as const

const toManifest = (code: string): WorkerOptions['config']['manifest'] => ({
  mainModule: 'worker.js',
  modulesRoot: '/',
  modules: { 'worker.js': { type: 'esm', contents: code } },
})

const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host)

/** A worker that only has the database. */
export const databaseConfig: WorkerOptions['config'] = {
  name: 'atoll-database',
  compatibilityDate,
  manifest: toManifest('export default {}'),
  env: { DB: database },
}

/** The worker's surroundings on one machine: the same bindings and variables as wrangler.toml gives it (a test compares them). */
export const buildWorkerConfig = (order: HostOrder, code: string): WorkerOptions['config'] => ({
  name: 'atoll',
  compatibilityDate,
  manifest: toManifest(code),
  env: {
    MESH: { type: 'durable-object', worker: 'atoll', exportName: 'Mesh' },
    DB: database,
    EXPORTS: { type: 'r2', name: 'atoll-exports' },
    TELEMETRY_STORE: { type: 'durable-object', worker: 'atoll', exportName: 'TelemetryStore' },
    TELEMETRY: { type: 'r2', name: 'atoll-telemetry' },
    API_RATE_LIMIT: { type: 'rate-limit', namespace: '1001', simple: { limit: 1200, period: 60 } },
    OPEN_RATE_LIMIT: { type: 'rate-limit', namespace: '1002', simple: { limit: 300, period: 60 } },
    ORG_RATE_LIMIT: { type: 'rate-limit', namespace: '1003', simple: { limit: 6000, period: 60 } },
    PLANE_GENERATION: { type: 'text', value: order.generation },
    LEASE_GRACE_SECONDS: { type: 'text', value: '300' },
    LEASE_WITHDRAW_SECONDS: { type: 'text', value: '300' },
    TICK_SECONDS: { type: 'text', value: '20' },
    // Miniflare passes on what a client says in CF-Connecting-IP: nothing here proves an address.
    CLIENT_ADDRESS_HEADER: { type: 'text', value: '' },
    // A plane that only this machine reaches may trust an identity provider on it.
    SIGN_IN_ISSUERS: { type: 'text', value: isLoopback(order.host) ? 'loopback' : 'public' },
    ATOLL_KEK: { type: 'text', value: order.keyEncryptionKey },
    ...(order.previousKeyEncryptionKey !== undefined && {
      ATOLL_KEK_PREVIOUS: { type: 'text' as const, value: order.previousKeyEncryptionKey },
    }),
    ...(order.kms !== undefined && { ATOLL_KMS: { type: 'text' as const, value: order.kms } }),
    ATOLL_SETUP_TOKEN_HASH: { type: 'text', value: order.setupTokenHash },
  },
  exports: {
    Mesh: { type: 'durable-object', storage: 'sqlite' },
    TelemetryStore: { type: 'durable-object', storage: 'sqlite' },
  },
})
