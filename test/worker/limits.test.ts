import { runInDurableObject } from 'cloudflare:test'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { ConfigObject } from '#mesh/config-object.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import type { Delivery } from '#mesh/uplink.ts'
import { UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import { planeInitiator } from '#worker/mesh/audit.ts'
import { storeEntries } from '#worker/mesh/catalog.ts'
import { recordCertificate, reserveSerial } from '#worker/mesh/certificates.ts'
import { admitCluster, findMember, MAX_CLUSTERS, toInterest } from '#worker/mesh/clusters.ts'
import {
  commitConfiguration,
  MAX_CONFIGURATION_BYTES,
  MAX_OBJECT_BYTES,
  MAX_OBJECTS,
  readConfiguration,
} from '#worker/mesh/configuration.ts'
import type { MeshContext } from '#worker/mesh/context.ts'
import { LabelKeys } from '#worker/mesh/label-keys.ts'
import { readMeshRow } from '#worker/mesh/mesh-row.ts'
import { readChanges } from '#worker/mesh/state-log.ts'
import { writeTrustState } from '#worker/mesh/trust.ts'
import { toChangeMessages } from '#worker/mesh/uplink/change-messages.ts'
import { bulkLimits } from '#worker/mesh/uplink/fan-out.ts'
import { trimDelivery } from '#worker/mesh/uplink/session.ts'
import { createJoinToken, joinTestCluster, newJoinRequest } from './support/test-agent.ts'
import { toTestEntry } from './support/test-catalog.ts'
import { newKeys } from './support/test-identity.ts'
import { createTestMesh, send } from './support/test-plane.ts'
import type { TestMesh } from './support/test-plane.ts'

/** docs/limits.md: the design's size, and half of what the platform takes. */
const CLUSTERS = 200
const SERVICES_PER_CLUSTER = 50
const OBJECTS_PER_APPLY = 2_000
const HALF = {
  memoryBytes: 64 * 1024 * 1024,
  rowBytes: 1024 * 1024,
  storageBytes: 5 * 1024 ** 3,
  queries: 500,
  rpcBytes: 16 * 1024 * 1024,
  attachmentBytes: 8 * 1024,
}

/** A context whose SQLite counts its queries. */
const toCountingContext = (storage: DurableObjectStorage): MeshContext & { queries: () => number } => {
  let queries = 0
  const sql = new Proxy(storage.sql, {
    get: (target, name) => {
      if (name !== 'exec') return Reflect.get(target, name) as unknown
      return (query: string, ...bindings: unknown[]) => {
        queries += 1
        return target.exec(query, ...bindings)
      }
    },
  })
  return {
    sql,
    transaction: (body) => storage.transactionSync(body),
    now: Date.now,
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    queries: () => {
      const counted = queries
      queries = 0
      return counted
    },
  }
}

/** A route of about a kilobyte. */
const toRoute = (index: number): { readonly key: string; readonly object: ConfigObject } => {
  const host = `service-${index}.namespace-${index % 100}.svc.cluster.local`
  return {
    key: `VirtualService/namespace-${index % 100}/route-${index}`,
    object: {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: {
        name: `route-${index}`,
        namespace: `namespace-${index % 100}`,
        labels: { team: `team-${index % 17}` },
      },
      spec: {
        hosts: [host],
        http: Array.from({ length: 4 }, (_, rule) => ({
          match: [{ uri: { prefix: `/path/${rule}` }, headers: { 'x-version': { exact: `v${rule}` } } }],
          route: [{ destination: { host, subset: `v${rule}` }, weight: 100 }],
          retries: { attempts: 3, perTryTimeout: '2s', retryOn: '5xx,connect-failure' },
        })),
      },
    },
  }
}

const applyRoutes = (context: MeshContext, start: number): void => {
  const upserts = Array.from({ length: OBJECTS_PER_APPLY }, (_, index) => toRoute(start + index))
  const baseRevision = readMeshRow(context.sql).revision
  const request = { baseRevision, operation: 'apply' as const, rollbackTo: null, upserts, deletes: [], dryRun: false }
  const committed = context.transaction(() => commitConfiguration(context, request, planeInitiator))
  if (!committed.ok) throw new Error(committed.error.detail)
}

/** Puts as many clusters into the mesh as it is made for, each with services, a certificate and the one before it. */
const admitClusters = (context: MeshContext, count: number, pem: string): void => {
  const { sql } = context
  for (let index = 0; index < count; index += 1) {
    const name = clusterName.parse(`cluster-${index}`)
    const network = networkName.parse(`network-${index % 20}`)
    admitCluster(context, { name, network, kind: 'kubernetes', identityKey: 'key' })
    for (const generation of ['old', 'new']) {
      const serial = `${generation}-${index}`
      reserveSerial(sql, serial, { kind: 'intermediate', cluster: name, requestHash: null }, 0)
      recordCertificate(
        sql,
        serial,
        'root',
        { pem, notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER, fingerprint: '' },
        Date.now(),
      )
    }
    const entries = Array.from({ length: SERVICES_PER_CLUSTER }, (_, service) =>
      toTestEntry({
        cluster: name,
        network,
        name: `service-${service}`,
        namespace: `namespace-${index}`,
        endpoints: 2,
      }),
    )
    storeEntries(sql, { cluster: name, network }, entries, new LabelKeys([], 'cluster.local'))
  }
  writeTrustState(context)
}

describe(`a mesh of ${CLUSTERS} clusters and ${MAX_OBJECTS} objects`, { timeout: 60_000 }, () => {
  let mesh: TestMesh
  const inMesh = <T>(
    body: (context: ReturnType<typeof toCountingContext>, storage: DurableObjectStorage) => T,
  ): Promise<T> => runInDurableObject(mesh.stub, (_instance, { storage }) => body(toCountingContext(storage), storage))

  beforeAll(async () => {
    mesh = await createTestMesh()
    const { joined } = await joinTestCluster(mesh, 'first', 'network-0')
    await inMesh((context) => {
      for (let start = 0; start < MAX_OBJECTS; start += OBJECTS_PER_APPLY) applyRoutes(context, start)
      context.transaction(() => admitClusters(context, CLUSTERS, joined.certificatePem))
    })
  }, 60_000)

  test('keeps every row under half of 2 MB, and everything under half of 10 GB', async () => {
    await inMesh(({ sql }) => {
      const tables = sql
        .exec<{ name: string }>(
          `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'`,
        )
        .toArray()
      for (const { name } of tables) {
        const columns = sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('${name}')`).toArray()
        const length = columns.map((column) => `coalesce(octet_length("${column.name}"), 0)`).join(' + ')
        const { largest } = sql
          .exec<{ largest: number | null }>(`SELECT max(${length}) AS largest FROM "${name}"`)
          .one()
        expect.soft(largest ?? 0, name).toBeLessThan(HALF.rowBytes)
      }
      expect(sql.databaseSize).toBeLessThan(HALF.storageBytes)
    })
    expect(2 * MAX_OBJECT_BYTES).toBeLessThan(HALF.rowBytes)
  })

  test('writes an apply of the most objects in less than half of a thousand queries', async () => {
    await inMesh((context) => {
      context.queries()
      context.transaction(() => {
        const upserts = Array.from({ length: OBJECTS_PER_APPLY }, (_, index) => {
          const { key, object } = toRoute(index)
          return { key, object: { ...object, metadata: { ...object.metadata, labels: { changed: 'yes' } } } }
        })
        const baseRevision = readMeshRow(context.sql).revision
        commitConfiguration(
          context,
          { baseRevision, operation: 'apply', rollbackTo: null, upserts, deletes: [], dryRun: false },
          planeInitiator,
        )
      })
      expect(context.queries()).toBeLessThan(HALF.queries)
    })
  })

  test('sends a snapshot in messages of the protocol’s size, so many at a time as fit into half of the memory', async () => {
    await inMesh(({ sql }) => {
      const { epoch, sequence, revision } = readMeshRow(sql)
      const cluster = findMember(sql, 'cluster-7')
      if (!cluster) throw new Error('no cluster')
      const header = { mode: 'snapshot' as const, position: { epoch, sequence }, revision }
      let total = 0
      for (const message of toChangeMessages(header, readChanges(sql, 0, toInterest(cluster)))) {
        expect(message.length).toBeLessThanOrEqual(UPLINK_MAX_MESSAGE_CHARS)
        total += message.length
      }
      expect(total).toBeGreaterThan(5 * 1024 * 1024)
      expect(Math.max(total, bulkLimits.onTheWayChars)).toBeLessThan(HALF.memoryBytes)
    })
  })

  test('hands its configuration to a Worker in less than half of a call', async () => {
    await inMesh(({ sql }) => {
      const { documents } = readConfiguration(sql, null)
      const bytes = documents.reduce((sum, { document }) => sum + (document?.length ?? 0), 0)
      expect(documents.length).toBeGreaterThan(MAX_OBJECTS - 1)
      expect(bytes).toBeLessThan(HALF.rpcBytes)
    })
    expect(MAX_CONFIGURATION_BYTES).toBeLessThanOrEqual(HALF.rpcBytes)
  })

  test('takes no more objects', async () => {
    const yaml = JSON.stringify(toRoute(MAX_OBJECTS).object)
    const { body } = await mesh.send('POST', '/configuration', { yaml })
    expect(body).toMatchObject({ code: 'limit_reached' })
  })

  test('answers a request with a handful of queries to D1', async () => {
    const { env } = await import('cloudflare:workers')
    const prepare = vi.spyOn(env.DB, 'prepare')
    await mesh.send('POST', '/configuration?dryRun=true', {
      yaml: JSON.stringify(toRoute(1).object),
      headers: { 'Idempotency-Key': 'counting-queries' },
    })
    const queries = prepare.mock.calls.length
    prepare.mockRestore()
    expect(queries).toBeGreaterThan(1)
    expect(queries).toBeLessThan(20)
  })

  afterAll(() => vi.restoreAllMocks())
})

test('a mesh of the most clusters tells its trust in one message, also while all of them renew', async () => {
  const mesh = await createTestMesh({ trustDomain: 'mesh.production.example.com' })
  const { joined } = await joinTestCluster(mesh, 'first-cluster-of-the-mesh', 'network-0')
  const early = await createJoinToken(mesh, 'one-too-many', 'network-0')
  await runInDurableObject(mesh.stub, (_instance, { storage }) => {
    const context = toCountingContext(storage)
    context.transaction(() => admitClusters(context, MAX_CLUSTERS, joined.certificatePem))
    const { chars } = storage.sql.exec<{ chars: number }>(`SELECT chars FROM state WHERE key = 'trust'`).one()
    expect(chars).toBeLessThan(UPLINK_MAX_MESSAGE_CHARS)
    const { superseded } = storage.sql
      .exec<{ superseded: number }>(`SELECT count(*) AS superseded FROM certificates WHERE state = 'superseded'`)
      .one()
    expect(superseded).toBeGreaterThan(0)
  })

  const late = await send('POST', '/v1/join', { body: await newJoinRequest(early, await newKeys()) })
  expect([late.status, late.body.code]).toEqual([422, 'limit_reached'])
})

test('what is kept of a session fits into half of an attachment, however much its agent has to say', () => {
  const text = (length: number) => '\u{10FFFF}'.repeat(length / 2)
  const delivery: Delivery = {
    compiled: 1_000_000,
    proxies: 1_000_000,
    live: Array.from({ length: 32 }, (_, index) => ({ revision: 1_000_000 + index, proxies: 1_000_000 })),
    laggards: Array.from({ length: 20 }, () => ({ proxy: text(256), revision: 1, waitingFor: text(256) })),
    nacks: Array.from({ length: 20 }, () => ({
      proxy: text(256),
      typeUrl: 't',
      resources: [],
      reason: text(2048),
      revision: 1,
    })),
  }
  const trimmed = trimDelivery(delivery)
  expect(trimmed.live).toHaveLength(32)
  // Structured clone writes text beyond Latin-1 with two bytes a unit.
  const others = 2 * (128 + 64 + 63) + 500
  expect(2 * JSON.stringify(trimmed).length + others).toBeLessThan(HALF.attachmentBytes)
})
