import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import type { PatchedPart } from '#mesh/config/envoy-filter.ts'
import type { Patch } from './patch.ts'

const toPlace = ({ address }: Listener): { readonly address: string; readonly port: number } => {
  if (address?.address.case !== 'socketAddress') return { address: '', port: 0 }
  const { address: text, portSpecifier } = address.address.value
  return { address: text, port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0 }
}

/** Whether the listener is for connections to many ports: which, its chains say. */
const isVirtual = ({ name }: Listener): boolean => name === 'virtualInbound' || name === 'virtualOutbound'

/** Its name and those that Istio has for such a listener. */
const toNames = (listener: Listener): readonly string[] => {
  const { address, port } = toPlace(listener)
  const isInbound = listener.trafficDirection === TrafficDirection.INBOUND
  return [listener.name, `${address}_${port}`, `0.0.0.0_${port}`, ...(isInbound ? ['virtualInbound'] : [])]
}

export const matchesListener = (listener: Listener, { match, part }: Patch): boolean => {
  const { name, portNumber } = match.listener ?? {}
  if (name !== undefined && !toNames(listener).includes(name)) return false
  if (part !== 'LISTENER' && isVirtual(listener)) return true
  return portNumber === undefined || portNumber === toPlace(listener).port
}

export const matchesChain = (listener: Listener, chain: FilterChain, { match }: Patch<PatchedPart>): boolean => {
  const { portNumber, filterChain: wanted } = match.listener ?? {}
  const conditions = chain.filterChainMatch
  const port = conditions?.destinationPort
  if (isVirtual(listener) && portNumber !== undefined && port !== portNumber) return false
  if (!wanted) return true
  const protocols = wanted.applicationProtocols?.split(',') ?? []
  return (
    (wanted.name === undefined || wanted.name === chain.name) &&
    (wanted.sni === undefined || (conditions?.serverNames.includes(wanted.sni) ?? false)) &&
    (wanted.transportProtocol === undefined || wanted.transportProtocol === conditions?.transportProtocol) &&
    protocols.every((protocol) => conditions?.applicationProtocols.includes(protocol)) &&
    (wanted.destinationPort === undefined || wanted.destinationPort === port)
  )
}
