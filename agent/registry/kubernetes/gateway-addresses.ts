import { eastWestGatewayPort, eastWestGatewayRole, roleLabel, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { gatewayAddress, type GatewayAddress } from '#mesh/service.ts'
import type { KubeEndpointSlice } from './objects/kube-endpoint-slice.ts'
import type { KubeNode } from './objects/kube-node.ts'
import type { KubeService } from './objects/kube-service.ts'

/** Istio's name of the port in its own east-west gateway. */
const gatewayPortName = 'tls'

export const isGatewayService = ({ metadata, type, externalIPs }: KubeService): boolean =>
  metadata.namespace === systemNamespace &&
  metadata.labels?.[roleLabel] === eastWestGatewayRole &&
  (type === 'LoadBalancer' || type === 'NodePort' || externalIPs.length > 0)

/**
 * Where a gateway's Service lets other networks in: at its external addresses, and at its load balancer, or for a NodePort at the nodes
 * that its pods are on, which holds with any `externalTrafficPolicy`.
 */
export const toGatewayAddresses = (
  service: KubeService,
  slices: readonly KubeEndpointSlice[],
  nodes: ReadonlyMap<string, KubeNode>,
): readonly GatewayAddress[] => {
  const port =
    service.ports.find(({ name }) => name === gatewayPortName) ??
    service.ports.find(({ port: number }) => number === eastWestGatewayPort)
  if (!port) return []
  const atPort = (addresses: readonly string[]) => addresses.flatMap((address) => toAddress(address, port.port))
  const external = atPort(service.externalIPs)
  if (service.type === 'LoadBalancer') return [...atPort(service.ingress), ...external]
  if (service.type !== 'NodePort') return external
  const endpoints = slices.flatMap((slice) => slice.endpoints).filter(({ health }) => health === 'healthy')
  const atNodes = [...new Set(endpoints.map(({ node }) => node))].flatMap((name) =>
    toAddress(addressOf(nodes.get(name)), port.nodePort),
  )
  return [...atNodes, ...external]
}

/** An address that other networks are likely to reach, if there is one. */
const addressOf = (node: KubeNode | undefined): string | undefined =>
  ['ExternalIP', 'InternalIP'].flatMap((type) => node?.addresses.find((each) => each.type === type)?.address ?? [])[0]

const toAddress = (address: string | undefined, port: number | undefined): readonly GatewayAddress[] => {
  const parsed = gatewayAddress.safeParse({ address, port })
  return parsed.success ? [parsed.data] : []
}

/** Each once, sorted. */
export const sortGateways = (gateways: readonly GatewayAddress[]): readonly GatewayAddress[] =>
  [...new Map(gateways.map((gateway) => [`${gateway.address} ${gateway.port}`, gateway]))]
    .toSorted(([one], [other]) => compareText(one, other))
    .map(([, gateway]) => gateway)
