import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { proxyStatus } from '#mesh/uplink.ts'
import { clusterParams, pageQuery, toPageSchema } from './common.ts'

export const proxyParams = clusterParams.extend({
  name: z.string().min(1).max(256).describe('`<role>/<namespace>/<workload>`, URL-encoded: its slashes are `%2F`.'),
})
export const listProxiesQuery = pageQuery.extend({ cluster: clusterName.optional() })

/** The agents are asked; the clusters that did not answer are named, and their proxies are missing from the list. */
export const proxyPage = toPageSchema(proxyStatus).extend({
  unavailable: z.array(z.object({ cluster: clusterName, reason: z.enum(['agent_unavailable', 'agent_timeout']) })),
})
export type ProxyPage = z.infer<typeof proxyPage>
