import type { JsonObject } from '@bufbuild/protobuf'
import { getProxyConfig } from '#api/routes/proxies.ts'
import type { AccessLog } from '#api/schemas/telemetry.ts'
import { clusterName } from '#mesh/names.ts'
import type { CalledProxy } from '#xds/foretell/called-proxy.ts'
import { mapAtMost } from '../at-most.ts'
import type { CliContext } from '../cli-context.ts'

/** A workload that was called, or a gateway, with the calls; one of its proxies speaks for all. */
export interface Called {
  /** "<namespace>/<workload> in <cluster>" */
  readonly name: string
  readonly records: readonly AccessLog[]
  /** Undefined: none of them could be asked. */
  readonly proxy: CalledProxy | undefined
}

const atOnce = 8
/** What a proxy is served may be some megabytes. */
export const maxCalled = 100
/** Of one workload: those that are gone are among those that were called. */
const maxTried = 3

export const readCalled = async (
  context: CliContext,
  mesh: string,
  records: readonly AccessLog[],
): Promise<readonly Called[]> => {
  const byName = [...Map.groupBy(records, toName)].toSorted(([, one], [, other]) => other.length - one.length)
  const asked = byName.slice(0, maxCalled).map(([name, all]) => ({ name, all }))
  const read = await mapAtMost(atOnce, asked, async ({ name, all }): Promise<Called> => {
    const proxies = [
      ...new Map(all.map(({ cluster = '', proxy = '' }) => [`${cluster} ${proxy}`, { cluster, proxy }])).values(),
    ]
    for (const { cluster, proxy } of proxies.slice(0, maxTried)) {
      const found = await readProxy(context, mesh, cluster, proxy)
      if (found) return { name, records: all, proxy: found }
    }
    return { name, records: all, proxy: undefined }
  })
  return [...read, ...byName.slice(maxCalled).map(([name, all]): Called => ({ name, records: all, proxy: undefined }))]
}

/** Pods of one workload are served the same. */
const toName = (record: AccessLog): string => {
  const { cluster = '', proxy = '', reporter } = record
  const [role = '', namespace = '', own = ''] = proxy.split('/')
  const workload = reporter === 'destination' ? record.destination_workload : record.source_workload
  return `${role === 'sidecar' ? '' : `${role} `}${namespace}/${workload ?? own} in ${cluster}`
}

const readProxy = async (
  context: CliContext,
  mesh: string,
  cluster: string,
  name: string,
): Promise<CalledProxy | undefined> => {
  const [role = '', namespace = ''] = name.split('/')
  const parsed = clusterName.safeParse(cluster).data
  if (!parsed) return undefined
  const config = await context
    .client()
    .call(getProxyConfig, { params: { mesh, cluster: parsed, name } })
    .catch(() => undefined)
  if (!config?.policies) return undefined
  const { readServed } = await import('#xds/explain/served.ts')
  const served = readServed(config.resources.map((each) => ({ ...each, body: each.body as JsonObject })))
  return { role, namespace, cluster: parsed, revision: config.revision, served, policies: config.policies }
}
