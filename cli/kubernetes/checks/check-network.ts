import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { listClusters } from '#api/routes/clusters.ts'
import { getService, listServices } from '#api/routes/services.ts'
import type { CliContext } from '../../cli-context.ts'
import { collect } from '../../output/list-view.ts'
import type { KubernetesApi } from '../kubernetes-api.ts'
import type { Finding } from './finding.ts'

/** So many other clusters are looked at, by the endpoints of one service each: it is a hint. */
const MAX_NEIGHBOURS = 20
const SERVICES_LOOKED_AT = 20

const nodeSpec = z.object({ podCIDRs: z.array(z.string()).default([]) })

/** The ranges that the nodes' pods get addresses of. */
export const findPodRanges = async (api: KubernetesApi): Promise<readonly string[]> => {
  const nodes = await api.list({ group: '', version: 'v1', resource: 'nodes' })
  return nodes.flatMap((node) => nodeSpec.safeParse(node['spec']).data?.podCIDRs ?? [])
}

export interface Neighbour {
  readonly cluster: string
  /** Of some of its pods. */
  readonly addresses: readonly string[]
}

/** A neighbour with an address in one of the ranges, "10.1.0.0/24". */
export const findOverlap = (
  ranges: readonly string[],
  neighbours: readonly Neighbour[],
): { readonly cluster: string; readonly address: string } | undefined => {
  const own = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix = ''] = range.split('/')
    if (isIP(network) !== 0) own.addSubnet(network, Number(prefix), familyOf(network))
  }
  for (const { cluster, addresses } of neighbours) {
    const address = addresses.find((each) => isIP(each) !== 0 && own.check(each, familyOf(each)))
    if (address !== undefined) return { cluster, address }
  }
  return undefined
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** Addresses of one network reach each other directly, so no two of its pods may have the same. */
export const checkNetwork = async (
  context: CliContext,
  api: KubernetesApi,
  { mesh, cluster, network }: { readonly mesh: string; readonly cluster: string; readonly network: string },
): Promise<Finding> => {
  const ranges = await findPodRanges(api)
  if (ranges.length === 0) {
    return {
      check: 'network',
      status: 'warning',
      code: 'pod_range_unknown',
      message: 'the nodes name no range of pod addresses',
      remedy: `See for yourself that no other cluster on network ${network} has the same ones.`,
    }
  }
  const overlap = findOverlap(ranges, await findNeighbours(context, mesh, { cluster, network }))
  const own = ranges.slice(0, 3).join(', ') + (ranges.length > 3 ? ', …' : '')
  if (overlap === undefined)
    return { check: 'network', status: 'ok', message: `pods have ${own} on network ${network}` }
  return {
    check: 'network',
    status: 'failure',
    code: 'pod_range_overlap',
    message: `pods have ${own}, and ${overlap.cluster} on the same network ${network} has ${overlap.address}`,
    remedy: 'Join with a "--network" of its own: the clusters then reach each other through east-west gateways.',
  }
}

const findNeighbours = async (
  context: CliContext,
  mesh: string,
  own: { readonly cluster: string; readonly network: string },
): Promise<readonly Neighbour[]> => {
  const client = context.client()
  const clusters = await collect(client.list(listClusters, { params: { mesh } }))
  const near = clusters.filter(({ name, network }) => name !== own.cluster && network === own.network)
  return Promise.all(
    near.slice(0, MAX_NEIGHBOURS).map(async ({ name: cluster }) => {
      const { items } = await client.call(listServices, {
        params: { mesh },
        query: { cluster, limit: SERVICES_LOOKED_AT },
      })
      const served = items.find(({ clusters: where }) =>
        where.some((each) => each.cluster === cluster && each.endpoints > 0),
      )
      if (served === undefined) return { cluster, addresses: [] }
      const { namespace, hostname } = served
      const { endpoints } = await client.call(getService, { params: { mesh, namespace, hostname } })
      return { cluster, addresses: endpoints.filter((each) => each.cluster === cluster).map(({ address }) => address) }
    }),
  )
}
