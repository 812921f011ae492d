import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { httpProxyRoutes } from '#xds/compile/resource-names.ts'
import type { SettledCall } from './call.ts'
import type { Client } from './facts.ts'
import { findHandler } from './find-handler.ts'
import { nothing, type Served } from './served.ts'

const anyAddress = '0.0.0.0'

/** The address and port that a listener is for. */
export const toPlace = ({ address }: Listener): { readonly address: string; readonly port: number } | undefined => {
  const { case: kind, value } = address?.address ?? { case: undefined }
  if (kind !== 'socketAddress') return undefined
  return { address: value.address, port: value.portSpecifier.case === 'portValue' ? value.portSpecifier.value : 0 }
}

/** The listener that a client's connection comes to, before its chains are looked at. */
export const findListener = (
  { listeners }: Served,
  { address, port }: Pick<SettledCall, 'address' | 'port'>,
  entry: Client['entry'],
): Listener | undefined => {
  const outbound = listeners.filter(({ trafficDirection }) => trafficDirection === TrafficDirection.OUTBOUND)
  const isAt = (listener: Listener, own: string | undefined) => {
    const place = toPlace(listener)
    return place !== undefined && place.port === port && (own === undefined || place.address === own)
  }
  switch (entry) {
    case 'captured':
      return (
        (address === undefined ? undefined : outbound.find((listener) => isAt(listener, address))) ??
        outbound.find((listener) => isAt(listener, anyAddress) && !listener.useOriginalDst) ??
        outbound.find((listener) => listener.useOriginalDst)
      )
    case 'explicit':
      return outbound.find((listener) => isAt(listener, address ?? '')) ?? outbound.find(isHttpProxy)
    case 'gateway':
      return outbound.find((listener) => isAt(listener, undefined))
    case 'none':
      return undefined
  }
}

const isHttpProxy = ({ filterChains: [chain] }: Listener): boolean => {
  const handler = chain && findHandler(chain, nothing)
  return handler?.kind === 'http' && handler.routes === httpProxyRoutes
}

/** The listener that takes what comes to a workload. */
export const findInboundListener = ({ listeners }: Served, address: string, port: number): Listener | undefined => {
  const inbound = listeners.filter(({ trafficDirection }) => trafficDirection === TrafficDirection.INBOUND)
  const isAt = (listener: Listener) => {
    const place = toPlace(listener)
    return place?.port === port && (place.address === address || place.address === anyAddress)
  }
  return inbound.find(isAt) ?? inbound.find(({ name }) => name === 'virtualInbound')
}
