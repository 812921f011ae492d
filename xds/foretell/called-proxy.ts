import type { ClusterName } from '#mesh/names.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import type { Place } from '#mesh/topology.ts'
import { networkName } from '#mesh/names.ts'
import type { Served } from '#xds/explain/served.ts'

/** A proxy that was called, as it is served now. */
export interface CalledProxy {
  readonly role: string
  readonly namespace: string
  readonly cluster: ClusterName
  /** The mesh's revision that it is served. */
  readonly revision: number
  readonly served: Served
  readonly policies: ProxyPolicies
}

/** As far as selectors look at it. */
export const toPlace = ({ cluster, policies }: CalledProxy): Place => ({
  locality: '',
  network: networkName.parse('any'),
  cluster,
  labels: policies.labels,
})
