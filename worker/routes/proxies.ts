import type { RouteHandler } from '@hono/zod-openapi'
import { z } from 'zod'
import { AtollError } from '#api/atoll-error.ts'
import { getProxy, getProxyConfig, listProxies } from '#api/routes/proxies.ts'
import type { ProxyPage } from '#api/schemas/proxies.ts'
import type { ClusterName } from '#mesh/names.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { proxyConfig, proxyStatus } from '#mesh/uplink.ts'
import type { ProxyStatus } from '#mesh/uplink.ts'
import type { App, AppEnv } from '../app-env.ts'
import { listClusterNames } from '../cluster-names.ts'
import type { AgentAnswers, AgentQuery, MeshStore } from '../mesh/mesh-store.ts'
import { namespaceOfProxy } from '../namespace-of-proxy.ts'
import { confineFilter, openMesh } from '../open-mesh.ts'
import { parseCursor, toCursor } from '../page.ts'
import { found } from '../problems.ts'

/** Clusters that are asked at the same time. */
const ASKED_TOGETHER = 8

interface ClusterProxies {
  readonly cluster: ClusterName
  readonly proxies: readonly ProxyStatus[]
  readonly missing: AgentAnswers['missing']
}

/** What agents answer is checked like everything else from outside. Throws AtollError when it is not what it should be. */
const parseAnswers = <Schema extends z.ZodType>(schema: Schema, { answers }: AgentAnswers): z.output<Schema>[] =>
  answers.map((text) => {
    const parsed = schema.safeParse(parseJson(text))
    if (!parsed.success) throw new AtollError('agent_unavailable', 'the agent answered something that is not an answer')
    return parsed.data
  })

const proxyList = z.array(proxyStatus)

/** The proxies that the agents of a cluster named, by name: of that cluster, whatever they say. */
const toProxies = (cluster: ClusterName, answers: readonly z.output<typeof proxyList>[]): ProxyStatus[] =>
  answers
    .flat()
    .map((proxy) => ({ ...proxy, cluster }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** One cluster that answers nonsense does not keep the others' proxies from who asks. */
const askProxies = async (store: MeshStore, cluster: ClusterName): Promise<ClusterProxies> => {
  const { answers, missing } = await store.askAgents(cluster, { kind: 'proxies' })
  const parsed = answers.map((text) => proxyList.safeParse(parseJson(text)))
  const isWhole = parsed.every(({ success }) => success)
  const proxies = toProxies(
    cluster,
    parsed.flatMap(({ data }) => (data ? [data] : [])),
  )
  return { cluster, missing: missing ?? (isWhole ? null : 'agent_unavailable'), proxies }
}

const listMeshProxies: RouteHandler<typeof listProxies, AppEnv> = async (c) => {
  const { limit, cursor, ...query } = c.req.valid('query')
  const { cluster, namespace } = confineFilter(c, query)
  const { store } = await openMesh(c, c.req.valid('param').mesh, { cluster, namespace })
  const [fromCluster, afterProxy] = parseCursor(cursor, ['', ''])
  const clusters = cluster === undefined ? await listClusterNames(store, fromCluster) : [cluster]

  const page: ProxyPage = { items: [], nextCursor: null, unavailable: [] }
  for (let start = 0; start < clusters.length; start += ASKED_TOGETHER) {
    const asked = clusters.slice(start, start + ASKED_TOGETHER)
    for (const { cluster: name, missing, proxies } of await Promise.all(asked.map((each) => askProxies(store, each)))) {
      if (missing !== null) page.unavailable.push({ cluster: name, reason: missing })
      for (const proxy of proxies) {
        if (name === fromCluster && proxy.name <= afterProxy) continue
        if (namespace !== undefined && namespaceOfProxy(proxy.name) !== namespace) continue
        const last = page.items.at(-1)
        if (last && page.items.length === limit)
          return c.json({ ...page, nextCursor: toCursor([last.cluster, last.name]) }, 200)
        page.items.push(proxy)
      }
    }
  }
  return c.json(page, 200)
}

/** Asks about one proxy, which one of the replicas knows. */
const askOne = async <Schema extends z.ZodType>(
  store: MeshStore,
  cluster: string,
  query: AgentQuery,
  schema: Schema,
): Promise<z.output<Schema>[]> => {
  found(await store.findCluster(cluster), `cluster ${cluster}`)
  const answers = await store.askAgents(cluster, query)
  const parsed = parseAnswers(schema, answers)
  if (parsed.length === 0 && answers.missing !== null) {
    throw new AtollError(answers.missing, `no agent of ${cluster} has answered`)
  }
  return parsed
}

const showProxy: RouteHandler<typeof getProxy, AppEnv> = async (c) => {
  const { mesh, cluster, name } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster, namespace: namespaceOfProxy(name) })
  const proxies = toProxies(cluster, await askOne(store, cluster, { kind: 'proxies' }, proxyList))
  return c.json(
    found(
      proxies.find((proxy) => proxy.name === name),
      `proxy ${name} in ${cluster}`,
    ),
    200,
  )
}

const showProxyConfig: RouteHandler<typeof getProxyConfig, AppEnv> = async (c) => {
  const { mesh, cluster, name } = c.req.valid('param')
  const { store } = await openMesh(c, mesh, { cluster, namespace: namespaceOfProxy(name) })
  const [config] = await askOne(store, cluster, { kind: 'proxy-config', proxy: name }, proxyConfig)
  return c.json({ ...found(config, `proxy ${name} in ${cluster}`), cluster }, 200)
}

export const addProxyRoutes = (app: App): void => {
  app.openapi(listProxies, listMeshProxies)
  app.openapi(getProxy, showProxy)
  app.openapi(getProxyConfig, showProxyConfig)
}
