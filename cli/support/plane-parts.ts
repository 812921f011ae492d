import { listAudit } from '#api/routes/audit.ts'
import { listClusters } from '#api/routes/clusters.ts'
import { listConfiguration } from '#api/routes/configuration.ts'
import { getMesh } from '#api/routes/meshes.ts'
import { health } from '#api/routes/plane.ts'
import { getProxyConfig } from '#api/routes/proxies.ts'
import { getRevision, getRevisionDelivery, listRevisions } from '#api/routes/revisions.ts'
import { listServices } from '#api/routes/services.ts'
import { getTrust, listCertificates } from '#api/routes/trust.ts'
import type { Cluster } from '#api/schemas/clusters.ts'
import type { Trust } from '#api/schemas/trust.ts'
import type { ShownProxy } from '#api/schemas/proxies.ts'
import type { ProxyConfig } from '#mesh/uplink.ts'
import type { CliContext } from '../cli-context.ts'
import { findProxies } from '../commands/proxies.ts'
import { toRoughDuration } from '../duration.ts'
import { collect } from '../output/list-view.ts'
import type { Part } from './part.ts'
import { toFileName } from './support-bundle.ts'
import type { SupportBundle } from './support-bundle.ts'
import { toSafeObject, withoutPayloads } from './without-payloads.ts'

const MAX_ITEMS = 1000
const MAX_AUDIT_EVENTS = 500
const MAX_REVISIONS = 50
const MAX_REVISION_DETAILS = 5
const MAX_DUMPS = 10
const MAX_REFUSALS_SHOWN = 10
const DAY_MS = 24 * 60 * 60_000
const SOON_MS = 14 * DAY_MS
/** Nobody renews it but people. */
const SOON_OF_ISSUER_MS = 30 * DAY_MS

export interface PlaneScope {
  /** Only what is about this cluster, where that can be told. */
  readonly cluster: string | undefined
  readonly since: Date
}

/** What the plane knows, as the person's token may see it. The first part tells whether there is a plane at all. */
export const toPlaneParts = (
  context: CliContext,
  bundle: SupportBundle,
  { cluster, since }: PlaneScope,
): readonly Part[] => {
  const call = () => context.client()
  const toParams = async () => ({ mesh: await context.mesh() })
  let found: ReturnType<typeof findProxies> | undefined
  const findOnce = () => (found ??= findProxies(context, cluster))
  return [
    {
      file: 'plane/health.json',
      what: "the plane's version",
      collect: async () => {
        const { url } = context.connection()
        bundle.add('plane/health.json', { url, ...(await call().call(health, {})) })
      },
    },
    {
      file: 'plane/mesh.json',
      what: 'the mesh and its settings',
      collect: async () => bundle.add('plane/mesh.json', await call().call(getMesh, { params: await toParams() })),
    },
    {
      file: 'plane/clusters.json',
      what: 'clusters: agents with versions, leases, what is held, gateways and their probes',
      collect: async () => {
        const all = await collect(call().list(listClusters, { params: await toParams() }), MAX_ITEMS)
        const items = all.filter(({ name }) => cluster === undefined || name === cluster)
        bundle.add('plane/clusters.json', { items })
        for (const finding of items.flatMap((item) => judgeCluster(item, context.io.now()))) bundle.find(finding)
      },
    },
    {
      file: 'plane/proxies.json',
      what: 'connected proxies: versions, state of each resource type, refusals',
      collect: async () => {
        const { proxies, unavailable } = await findOnce()
        bundle.add('plane/proxies.json', { items: proxies.slice(0, MAX_ITEMS), of: proxies.length, unavailable })
        for (const finding of judgeProxies(proxies)) bundle.find(finding)
      },
    },
    {
      file: 'plane/revisions.json',
      what: `the last ${MAX_REVISIONS} revisions; of ${MAX_REVISION_DETAILS} which objects they changed`,
      collect: async () => {
        const params = await toParams()
        const items = await collect(call().list(listRevisions, { params }), MAX_REVISIONS)
        const newest = items.slice(0, MAX_REVISION_DETAILS)
        const details = await Promise.all(
          newest.map(({ revision }) => call().call(getRevision, { params: { ...params, revision } })),
        )
        bundle.add('plane/revisions.json', { items, details })
      },
    },
    {
      file: 'plane/delivery.json',
      what: 'how far the proxies are with the newest revision',
      collect: async () => {
        const params = await toParams()
        const { revision } = await call().call(getMesh, { params })
        const delivery = await call().call(getRevisionDelivery, { params: { ...params, revision } })
        bundle.add('plane/delivery.json', delivery)
        if (!delivery.complete) bundle.find(`revision ${revision} is not live everywhere: plane/delivery.json`)
      },
    },
    {
      file: 'plane/services.json',
      what: 'services: ports, clusters, numbers of endpoints',
      collect: async () => {
        const request = { params: await toParams(), query: { cluster } }
        bundle.add('plane/services.json', { items: await collect(call().list(listServices, request), MAX_ITEMS) })
      },
    },
    {
      file: 'plane/audit.json',
      what: `what was done in that time, and by whom; at most ${MAX_AUDIT_EVENTS} events`,
      collect: async () => {
        const request = { params: await toParams(), query: { cluster, since: since.toISOString() } }
        bundle.add('plane/audit.json', { items: await collect(call().list(listAudit, request), MAX_AUDIT_EVENTS) })
      },
    },
    {
      file: 'plane/trust.json',
      what: 'certificates: fingerprints and times, no certificate and no key',
      collect: async () => {
        const params = await toParams()
        const [trust, issued] = await Promise.all([
          call().call(getTrust, { params }),
          collect(call().list(listCertificates, { params, query: { cluster } }), MAX_ITEMS),
        ])
        bundle.add('plane/trust.json', { ...withoutPems(trust), issued })
        for (const finding of judgeTrust(trust, context.io.now())) bundle.find(finding)
      },
    },
    {
      file: 'plane/configuration.json',
      what: 'configuration objects, without annotations, values of headers, and bodies',
      collect: async () => {
        const objects = await collect(call().list(listConfiguration, { params: await toParams() }), MAX_ITEMS)
        bundle.add('plane/configuration.json', { items: objects.map(toSafeObject) })
      },
    },
    {
      file: 'plane/proxy-config/',
      what: `Envoy resources of at most ${MAX_DUMPS} proxies, those that are behind first, without secrets`,
      collect: async () => {
        const { mesh } = await toParams()
        const { proxies } = await findOnce()
        for (const { cluster: of, name } of proxies.toSorted(byTrouble).slice(0, MAX_DUMPS)) {
          const file = `plane/proxy-config/${of}/${toFileName(name)}.json`
          await bundle.attempt(file, async () => {
            const config = await call().call(getProxyConfig, { params: { mesh, cluster: of, name } })
            bundle.add(file, toSafeConfig(config))
          })
        }
      },
    },
  ]
}

const judgeCluster = ({ name, connected, lastSeenAt, contribution, holds, probes }: Cluster, now: number): string[] => [
  ...(connected
    ? []
    : [`cluster ${name}: no agent is connected, last seen ${lastSeenAt === null ? 'never' : `at ${lastSeenAt}`}`]),
  ...(contribution === 'live' ? [] : [`cluster ${name}: its services are ${contribution}`]),
  ...holds.map(
    ({ kind, reason, since }) =>
      `cluster ${name}: ${kind} is held for ${toRoughDuration(now - Date.parse(since))}: ${reason}`,
  ),
  ...probes
    .filter(({ reachable }) => !reachable)
    .map(({ from, address, port }) => `cluster ${name}: its gateway ${address}:${port} is not reached from ${from}`),
]

const judgeProxies = (proxies: readonly ShownProxy[]): string[] => {
  const behind = proxies.filter(({ synced }) => !synced).length
  const refusals = proxies.flatMap(({ cluster, nacks }) =>
    nacks.map(({ proxy, typeUrl, reason }) => `proxy ${proxy} of ${cluster} refused ${toType(typeUrl)}: ${reason}`),
  )
  return [
    ...(behind > 0 ? [`${behind} of ${proxies.length} proxies are not in sync`] : []),
    ...refusals.slice(0, MAX_REFUSALS_SHOWN),
  ]
}

const toType = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1)

const judgeTrust = ({ roots, intermediates, issuers }: Trust, now: number): string[] => {
  const certificates = [
    ...roots.map(({ notAfter }) => ({ name: 'the root', notAfter, soon: SOON_MS })),
    ...intermediates.map(({ cluster, notAfter }) => ({
      name: `the intermediate of ${cluster}`,
      notAfter,
      soon: SOON_MS,
    })),
    ...issuers.map(({ name, notAfter }) => ({ name: `the issuer ${name}`, notAfter, soon: SOON_OF_ISSUER_MS })),
  ]
  return certificates.flatMap(({ name, notAfter, soon }) => {
    const left = Date.parse(notAfter) - now
    if (left > soon) return []
    return [left < 0 ? `${name} has expired at ${notAfter}` : `${name} expires in ${toRoughDuration(left)}`]
  })
}

const withoutPems = ({ trustDomain, epoch, roots, intermediates, issuers }: Trust) => ({
  trustDomain,
  epoch,
  roots: roots.map(({ pem: _pem, ...facts }) => facts),
  intermediates: intermediates.map(({ pem: _pem, ...facts }) => facts),
  issuers: issuers.map(({ pem: _pem, ...facts }) => facts),
})

const byTrouble = (left: ShownProxy, right: ShownProxy): number =>
  Number(left.synced) - Number(right.synced) || left.role.localeCompare(right.role)

/** Of secrets no more than that they are there, whatever the agent has said. */
const toSafeConfig = ({ resources, ...config }: ProxyConfig) => ({
  ...config,
  resources: resources.map(({ typeUrl, name, version, body }) => ({
    typeUrl,
    name,
    version,
    ...(!typeUrl.endsWith('.Secret') && { body: withoutPayloads(body) }),
  })),
})
