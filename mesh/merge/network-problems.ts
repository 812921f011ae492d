import { isIpAddress } from '../config/schema/host-names.ts'
import { networkLabel } from '../kubernetes/conventions.ts'
import type { NetworkName } from '../names.ts'
import type { Problem } from '../problem.ts'
import type { Endpoint, Service } from '../service.ts'
import { compareText } from './compare-text.ts'
import { toConflict } from './merge-definitions.ts'

/** Why an endpoint on a network that no cluster of the mesh is on is none. */
export const unknownNetworkFault = ({ network, address }: { network: string; address: string }): string =>
  address === ''
    ? `no cluster of the mesh is on network ${network}: its gateways can't be an endpoint`
    : `no cluster of the mesh is on network ${network}: no proxy reaches ${address} there`

interface Networks {
  readonly localNetwork: NetworkName
  readonly hasNetwork: (network: NetworkName) => boolean
}

/** Endpoints of a service that are on networks that no cluster of the mesh is on: at the object that says so, of pods once at the service. */
export const findUnknownNetworks = (
  service: Service,
  endpoints: readonly Endpoint[],
  { hasNetwork }: Networks,
): readonly Problem[] => {
  const unknown = endpoints.filter(({ network }) => !hasNetwork(network))
  const ofPods = new Set(unknown.filter(({ origin }) => origin === 'pod').map(({ network }) => network))
  return [
    ...[...ofPods].toSorted(compareText).map((network) => toPodsProblem(service, network)),
    ...unknown
      .filter(({ origin }) => origin !== 'pod')
      .map((endpoint) =>
        toObjectProblem(service, endpoint, { code: 'dangling_reference', message: unknownNetworkFault(endpoint) }),
      ),
  ]
}

const toPodsProblem = (service: Service, network: NetworkName): Problem => ({
  ...toConflict(
    service,
    `pods of it are on network ${network} by their label ${networkLabel}, and no cluster of the mesh is: no proxy reaches them. Join their cluster to the mesh on network ${network}, or give them the label of the network that it is on`,
  ),
  code: 'dangling_reference',
})

/** Endpoints that the mesh tells on other networks by names: gateways pass on to IP addresses alone. */
export const findNamesElsewhere = (
  service: Service,
  endpoints: readonly Endpoint[],
  { localNetwork, hasNetwork }: Networks,
): readonly Problem[] =>
  endpoints
    .filter(({ ofMesh, tls, network }) => ofMesh && tls === 'mutual' && network !== localNetwork && hasNetwork(network))
    .filter(({ address }) => address !== '' && !isIpAddress(address))
    .map((endpoint) =>
      toObjectProblem(service, endpoint, {
        code: 'ineffective',
        message: `${endpoint.address} is on network ${endpoint.network}, whose gateways pass on to IP addresses alone: it is not reached from other networks`,
      }),
    )

const toObjectProblem = (
  { namespace }: Service,
  { id, origin }: Endpoint,
  told: Pick<Problem, 'code' | 'message'>,
): Problem => {
  const isOfServiceEntry = origin === 'service-entry'
  const [name = ''] = isOfServiceEntry ? id.split('/', 1) : [id]
  return {
    severity: 'warning',
    object: { kind: isOfServiceEntry ? 'ServiceEntry' : 'WorkloadEntry', namespace, name },
    path: isOfServiceEntry ? 'spec.endpoints' : 'spec.network',
    ...told,
  }
}

/** What is on a network is not for another cluster to say: that it says so has no effect here. */
export const findNetworksOfOthers = (
  cluster: string,
  service: Service,
  endpoints: readonly Endpoint[],
): readonly Problem[] =>
  endpoints.some(({ address }) => address === '')
    ? [
        {
          ...toConflict(
            service,
            `cluster ${cluster} says what is on a network: that counts in ${cluster} alone. For all clusters to go by it, give the object to the mesh`,
          ),
          code: 'ineffective',
        },
      ]
    : []
