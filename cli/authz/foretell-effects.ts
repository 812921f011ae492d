import type { JsonObject } from '@bufbuild/protobuf'
import { getMesh } from '#api/routes/meshes.ts'
import { getProxyConfig } from '#api/routes/proxies.ts'
import { listLogs } from '#api/routes/telemetry.ts'
import type { AccessLog } from '#api/schemas/telemetry.ts'
import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { objectKeyOf } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { clusterName, networkName } from '#mesh/names.ts'
import { meshSettings } from '#mesh/settings.ts'
import type { CliContext } from '../cli-context.ts'
import type { ConfigurationText } from '../configuration/configuration-files.ts'
import { examineForCompiler } from '../configuration/examine-configuration.ts'

/** Calls of one kind that were seen. */
export interface SeenCall {
  readonly source: string
  readonly proxy: string
  readonly request: string
  readonly times: number
}

/** What proposed AuthorizationPolicies would make of requests that were seen of late. */
export interface Effects {
  readonly minutes: number
  /** Requests that were looked at, and whether there were more. */
  readonly records: number
  readonly isAll: boolean
  /** Called proxies that the policies are for, and those that could not be asked. */
  readonly proxies: number
  readonly unread: readonly string[]
  readonly changed: readonly (SeenCall & { readonly after: string; readonly by: readonly string[] })[]
  readonly notKnown: readonly (SeenCall & { readonly missing: readonly string[] })[]
}

const minutes = 60
const maxRecords = 1000
const maxPage = 100
const maxProxies = 50

/** Undefined: there is no AuthorizationPolicy among what is to be applied. */
export const foretellEffects = async (
  context: CliContext,
  mesh: string,
  configuration: ConfigurationText,
  namespace: string | undefined,
): Promise<Effects | undefined> => {
  const { objects } = examineForCompiler(configuration, namespace)
  const policies = objects.flatMap(({ object }) => (object.kind === authorizationPolicy.kind ? [object] : []))
  if (policies.length === 0) return undefined
  const client = context.client()
  const params = { mesh }
  const { settings } = await client.call(getMesh, { params })
  const proposed = new MeshViewStore({
    localCluster: clusterName.parse('proposed'),
    localNetwork: networkName.parse('proposed'),
    settings: meshSettings.parse(settings),
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  proposed.apply(policies.map((value) => ({ kind: 'config', origin: 'mesh', key: objectKeyOf(value), value })))
  const { records, isAll } = await readRequests(context, mesh)
  const [{ readServed }, { findJudges }, { foretellEffect }, { toDecider }] = await Promise.all([
    import('#xds/explain/served.ts'),
    import('#xds/explain/find-guards.ts'),
    import('#xds/judge/foretell-effect.ts'),
    import('#xds/explain/tell-policy.ts'),
  ])
  const byProxy = [...Map.groupBy(records, ({ cluster = '', proxy = '' }) => `${proxy} in ${cluster}`)]
  const unread: string[] = byProxy.slice(maxProxies).map(([name]) => name)
  const seen = new Map<string, SeenCall & { after: string; by: readonly string[]; missing: readonly string[] }>()
  let proxies = 0
  for (const [name, all] of byProxy.slice(0, maxProxies)) {
    const [{ cluster = '', proxy = '' } = {}] = all
    const config = await client.call(getProxyConfig, { params: { mesh, cluster, name: proxy } }).catch(() => undefined)
    if (!config?.policies) {
      unread.push(name)
      continue
    }
    const [, of = ''] = proxy.split('/')
    const served = readServed(config.resources.map((each) => ({ ...each, body: each.body as JsonObject })))
    const foretell = foretellEffect(proposed, policies, {
      namespace: of,
      judges: findJudges(served),
      policies: config.policies,
    })
    if (!foretell) continue
    proxies++
    for (const record of all) {
      const { before, after } = foretell(record)
      if (after.outcome === before) continue
      const call = toSeen(record, name)
      const key = JSON.stringify([call, after])
      const by = toDecider(after.rule).decidedBy.map(({ object, path }) => `${object} ${path ?? ''}`)
      const times = (seen.get(key)?.times ?? 0) + 1
      seen.set(key, { ...call, times, after: after.outcome, by, missing: after.missing ?? [] })
    }
  }
  const sorted = [...seen.values()].toSorted((one, other) => other.times - one.times)
  return {
    minutes,
    records: records.length,
    isAll,
    proxies,
    unread,
    changed: sorted.filter(({ after }) => after !== 'not-known').map(({ missing: _missing, ...call }) => call),
    notKnown: sorted.filter(({ after }) => after === 'not-known').map(({ after: _after, by: _by, ...call }) => call),
  }
}

const readRequests = async (context: CliContext, mesh: string) => {
  const from = new Date(context.io.now() - minutes * 60_000).toISOString()
  const query = { reporter: 'destination' as const, from, limit: maxPage }
  const records: AccessLog[] = []
  for await (const page of context.client().pages(listLogs, { params: { mesh }, query })) {
    records.push(...page.items.filter(({ request_protocol: protocol }) => protocol === 'http' || protocol === 'grpc'))
    if (records.length >= maxRecords) return { records: records.slice(0, maxRecords), isAll: false }
  }
  return { records, isAll: true }
}

const toSeen = (record: AccessLog, proxy: string): SeenCall => ({
  source: record.source_principal ?? record.source_address?.replace(/:\d+$/, '') ?? 'somebody',
  proxy,
  request: `${record.method ?? '?'} ${record.authority ?? ''}${record.path?.replace(/\?.*$/s, '') ?? ''}`,
  times: 1,
})
