import type { JsonObject } from '@bufbuild/protobuf'
import { listClusters } from '#api/routes/clusters.ts'
import { getMesh } from '#api/routes/meshes.ts'
import { getProxyConfig } from '#api/routes/proxies.ts'
import { getService, listServices } from '#api/routes/services.ts'
import type { ShownProxy } from '#api/schemas/proxies.ts'
import type { ServiceDetail, ServiceSummary } from '#api/schemas/services.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { networkName, type ClusterName } from '#mesh/names.ts'
import { catalogEntry } from '#mesh/service.ts'
import { meshSettings } from '#mesh/settings.ts'
import { clusterState } from '#mesh/state.ts'
import { summariseCatalog } from '#mesh/summarise-catalog.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { Call } from '#xds/explain/call.ts'
import { explainCall, type Question } from '#xds/explain/explain-call.ts'
import { readServed, type Served, type ServedProxy } from '#xds/explain/served.ts'
import { isProxyRole } from '#xds/proxy.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { findProxies, type FoundProxies } from '../commands/proxies.ts'
import { collect } from '../output/list-view.ts'
import type { ClientName } from './parse-client.ts'

interface Asked {
  readonly name: ClientName
  readonly call: Call
  readonly hasProxy: boolean
}

/** What of a call can be found out from what the agents serve, and the plane knows. */
export const toLiveQuestion = async (context: CliContext, { name, call, hasProxy }: Asked): Promise<Question> => {
  const mesh = await context.mesh()
  const client = context.client()
  const params = { mesh }
  const found = await findProxies(context, undefined)
  const { proxies } = found
  const [clusters, { settings }, services] = await Promise.all([
    collect(client.list(listClusters, { params })),
    client.call(getMesh, { params }),
    collect(client.list(listServices, { params, query: {} })),
  ])
  const caller = hasProxy ? choose(context, found, name) : undefined
  const cluster = clusters.find((each) => each.name === (caller?.cluster ?? name.cluster)) ?? clusters[0]
  if (!cluster) throw new CliError('notFound', 'The mesh has no cluster yet')
  if (!caller && name.cluster !== undefined && cluster.name !== name.cluster)
    throw new CliError('notFound', `There is no cluster ${name.cluster}`)

  const readProxy = once(async (id: string): Promise<ServedProxy> => {
    const proxy = proxies.find((each) => toId(each) === id)
    if (!proxy) throw new CliError('notFound', `No connected proxy is called ${id}`)
    const { resources, policies } = await client.call(getProxyConfig, {
      params: { mesh, cluster: proxy.cluster, name: proxy.name },
    })
    return {
      name: `${proxy.name} in ${proxy.cluster}`,
      served: readServed(resources.map((resource) => ({ ...resource, body: resource.body as JsonObject }))),
      policies,
    }
  })
  const store = new MeshViewStore({
    localCluster: cluster.name,
    localNetwork: cluster.network,
    settings: meshSettings.parse(settings),
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  store.apply([
    ...clusters.map(({ name: own, network, gateways, contribution }): ViewChange => {
      const value = clusterState.parse({ name: own, network, gateways, contribution })
      return { kind: 'cluster', cluster: own, value }
    }),
    ...services.flatMap((service) => toChanges(fromSummary(service), cluster)),
  ])
  const details = new Map<string, ServiceDetail>()
  const own = caller && (await readProxy(toId(caller)))
  const question: Question = {
    facts: store,
    call,
    client: {
      name: own?.name ?? `${name.namespace}/${name.name}`,
      namespace: caller?.namespace ?? name.namespace,
      ...(caller && { serviceAccount: caller.serviceAccount, cluster: caller.cluster }),
      entry: own && caller ? toEntry(caller, own.served) : 'none',
    },
    served: own?.served,
    policies: own?.policies,
    proxies: {
      at: async ({ cluster: where, address }) => {
        const [found] = [...details.values()].flatMap(({ service, endpoints }) =>
          endpoints
            .filter((endpoint) => endpoint.cluster === where && endpoint.address === address)
            .map(({ id }) => ({ namespace: service.namespace, workload: id })),
        )
        const proxy = proxies.find(
          (each) =>
            each.cluster === where &&
            each.role === 'sidecar' &&
            each.namespace === found?.namespace &&
            each.workload === found.workload,
        )
        return proxy && readProxy(toId(proxy))
      },
      gatewayOf: async (where) => {
        const gateway = proxies.find((each) => each.cluster === where && each.role === 'east-west-gateway')
        return gateway && readProxy(toId(gateway))
      },
    },
  }
  // Endpoints are asked for of those services alone that the call gets to: what it gets to is found by following it.
  for (let round = 0; round < maxRounds; round++) {
    const reached = (await findReached(question, services)).filter(({ key }) => !details.has(key))
    for (const { key, namespace, hostname } of reached) {
      const detail = await client.call(getService, { params: { mesh, namespace, hostname } })
      details.set(key, detail)
      store.apply(toChanges(detail, cluster))
    }
  }
  return question
}

/** First the service that is called, then those that its routes lead to. */
const maxRounds = 2

const toId = ({ cluster, name }: Pick<ShownProxy, 'cluster' | 'name'>): string => `${cluster} ${name}`

const once = <Value>(read: (key: string) => Promise<Value>): ((key: string) => Promise<Value>) => {
  const known = new Map<string, Promise<Value>>()
  return (key) => {
    const value = known.get(key) ?? read(key)
    known.set(key, value)
    return value
  }
}

const toEntry = ({ role }: ShownProxy, { listeners }: Served): Question['client']['entry'] => {
  if (isProxyRole(role) && role !== 'sidecar') return 'gateway'
  return listeners.some(({ useOriginalDst }) => useOriginalDst) ? 'captured' : 'explicit'
}

/** The proxy of a workload, of one of a Deployment's pods, or of one with a service account. */
const choose = (context: CliContext, { proxies, unavailable }: FoundProxies, wanted: ClientName): ShownProxy => {
  const { cluster, role, namespace, name } = wanted
  const candidates = proxies.filter(
    (proxy) =>
      proxy.namespace === namespace &&
      (cluster === undefined || proxy.cluster === cluster) &&
      (role === undefined || proxy.role === role),
  )
  const pod = /^(-[a-z0-9]{1,10})?-[a-z0-9]{5}$/
  const [found = []] = [
    candidates.filter(({ workload }) => workload === name),
    candidates.filter(({ workload }) => workload.startsWith(`${name}-`) && pod.test(workload.slice(name.length))),
    candidates.filter(({ serviceAccount }) => serviceAccount === name),
  ].filter(({ length }) => length > 0)
  const [first] = found
  const away = unavailable.map((each) => each.cluster).filter((each) => cluster === undefined || cluster === each)
  if (!first && away.length > 0)
    throw new CliError('unavailable', `Whether ${namespace}/${name} is connected in ${away.join(', ')} is not known`, {
      remedy: 'See "atoll cluster list"; ask again when its agent answers.',
    })
  if (!first)
    throw new CliError('notFound', `No connected proxy is that of ${namespace}/${name}`, {
      remedy: 'See "atoll proxies"; of a pod that has none ask with --no-proxy.',
    })
  const places = [...new Set(found.map((proxy) => proxy.cluster))]
  if (places.length > 1)
    throw new CliError('usage', `${namespace}/${name} is in several clusters`, {
      remedy: `Say in which: ${places.map((place) => `${place}/${namespace}/${name}`).join(', ')}.`,
    })
  if (found.length > 1) context.note(`${found.length} proxies are that of ${namespace}/${name}: taken is ${first.name}`)
  return first
}

/** The services of the host that is called, and of those that the calls are routed to. */
const findReached = async (question: Question, services: readonly ServiceSummary[]) => {
  const { ways, steps } = await explainCall({
    ...question,
    proxies: { at: async () => undefined, gatewayOf: async () => undefined },
  })
  const text = [...ways.map(({ xdsCluster = '' }) => xdsCluster), ...steps.map((step) => step.text)].join(' ')
  return services.filter(({ hostname }) => text.includes(hostname))
}

/** What a list tells of a service: enough to know its name and ports. */
const fromSummary = ({ key, namespace, hostname, ports, location, aliasOf, clusters }: ServiceSummary) => ({
  service: {
    key,
    namespace,
    hostname,
    ports,
    location,
    aliasOf,
    addresses: [],
    resolution: 'static',
    exportTo: ['*'],
    source: hostname.includes('.svc.') ? 'service' : 'service-entry',
    labels: {},
    subjectAltNames: [],
  },
  clusters,
  endpoints: [],
})

interface Offered {
  readonly service: unknown
  readonly clusters: readonly { readonly cluster: ClusterName; readonly network: string }[]
  readonly endpoints: readonly { readonly cluster: ClusterName }[]
}

/** A service as the caller's cluster knows it: whole on its own network, in sum beyond. */
const toChanges = ({ service, clusters, endpoints }: Offered, local: { readonly network: string }): ViewChange[] =>
  clusters.flatMap(({ cluster, network }): ViewChange[] => {
    const entry = catalogEntry.safeParse({
      service,
      endpoints: endpoints.filter((endpoint) => endpoint.cluster === cluster),
    }).data
    if (!entry) return []
    const { key } = entry.service
    if (network === local.network) return [{ kind: 'catalog', cluster, service: key, value: entry }]
    const value = summariseCatalog(entry, new Set(), networkName.parse(network))
    return [{ kind: 'summary', cluster, service: key, value }]
  })
