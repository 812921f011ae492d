import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { proxyStatus } from '#mesh/uplink.ts'
import { clusterParams, pageQuery, toPageSchema } from './common.ts'
import { openEnum } from '../open-enum.ts'

export const proxyParams = clusterParams.extend({
  name: z.string().min(1).max(256).describe('`<role>/<namespace>/<workload>`, URL-encoded: its slashes are `%2F`.'),
})
export const listProxiesQuery = pageQuery.extend({ cluster: clusterName.optional() })

const { types } = proxyStatus.shape
export const shownProxy = proxyStatus.extend({
  types: z.array(types.element.extend({ state: openEnum(types.element.shape.state.options) })),
})
export type ShownProxy = z.infer<typeof shownProxy>

/** The agents are asked; the clusters that did not answer are named, and their proxies are missing from the list. */
export const proxyPage = toPageSchema(shownProxy).extend({
  unavailable: z.array(z.object({ cluster: clusterName, reason: openEnum(['agent_unavailable', 'agent_timeout']) })),
})
export type ProxyPage = z.infer<typeof proxyPage>
