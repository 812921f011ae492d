import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { DownstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { inboundPassthroughUpstream, parseInboundUpstreamName } from '#xds/compile/resource-names.ts'
import { findGuards, type Guards } from '#xds/explain/find-guards.ts'
import { findHandler, type Handler } from '#xds/explain/find-handler.ts'
import { toPlace } from '#xds/explain/find-listener.ts'
import { unpack, type Served } from '#xds/explain/served.ts'
import type { RecordedCall } from './read-record.ts'
import { toPort } from './recorded-address.ts'

/** One of the ways by which calls come to a proxy that judges them. */
export interface Entrance {
  readonly kind: 'http' | 'tcp'
  /** That is called; undefined = any that has no entrance of its own. */
  readonly port: number | undefined
  /** Where the application is, which is what records name. */
  readonly target: number | undefined
  readonly endsTls: boolean
  /** Whether who calls has to show a certificate, or may. */
  readonly asksCertificate: boolean
  readonly handler: Handler
  readonly guards: Guards
}

/** Those of a sidecar are what comes to its workload; a gateway's clients come to it as if it called out. */
export const findEntrances = (served: Served, role: string): readonly Entrance[] => {
  const direction = role === 'sidecar' ? TrafficDirection.INBOUND : TrafficDirection.OUTBOUND
  return served.listeners
    .filter(({ trafficDirection }) => trafficDirection === direction)
    .flatMap((listener) =>
      [...listener.filterChains, ...(listener.defaultFilterChain ? [listener.defaultFilterChain] : [])].flatMap(
        (chain) => toEntrance(served, role, listener, chain) ?? [],
      ),
    )
}

const toEntrance = (served: Served, role: string, listener: Listener, chain: FilterChain): Entrance | undefined => {
  const handler = findHandler(chain, served)
  if (handler.kind !== 'http' && handler.kind !== 'tcp') return undefined
  const ports = role === 'sidecar' ? toWorkloadPorts(served, handler) : toGatewayPorts(listener)
  if (!ports) return undefined
  const tls = readTls(chain)
  return {
    ...ports,
    kind: handler.kind,
    endsTls: tls !== undefined,
    asksCertificate: tls?.commonTlsContext?.validationContextType.case !== undefined,
    handler,
    guards: findGuards(listener, chain, handler),
  }
}

type Ports = Pick<Entrance, 'port' | 'target'>

/** Undefined: it is no application's. */
const toWorkloadPorts = ({ xdsClusters }: Served, handler: Handler): Ports | undefined => {
  const name =
    handler.kind === 'http' ? handler.routes : handler.kind === 'tcp' ? (handler.shares[0]?.xdsCluster ?? '') : ''
  if (name === inboundPassthroughUpstream) return { port: undefined, target: undefined }
  const port = parseInboundUpstreamName(name)
  if (port === undefined) return undefined
  const [endpoint] = xdsClusters.get(name)?.loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? []
  const host = endpoint?.hostIdentifier.case === 'endpoint' ? endpoint.hostIdentifier.value.address : undefined
  const socket = host?.address.case === 'socketAddress' ? host.address.value.portSpecifier : undefined
  return { port, target: socket?.case === 'portValue' ? socket.value : port }
}

const toGatewayPorts = (listener: Listener): Ports | undefined => {
  const place = toPlace(listener)
  return place && { port: place.port, target: undefined }
}

const readTls = ({ transportSocket }: FilterChain) =>
  unpack(
    transportSocket?.configType.case === 'typedConfig' ? transportSocket.configType.value : undefined,
    DownstreamTlsContextSchema,
  )

/** Those by which a call that was recorded may have come: what is known of it leaves no others. */
export const chooseEntrances = (
  entrances: readonly Entrance[],
  record: RecordedCall,
  role: string,
): readonly Entrance[] => {
  const kind = record.request_protocol === 'tcp' ? 'tcp' : 'http'
  const ofKind = entrances.filter((each) => each.kind === kind)
  const { server_name: serverName, connection_security_policy: security } = record
  if (role !== 'sidecar')
    return serverName === undefined || kind === 'tcp' ? ofKind : narrow(ofKind, ({ endsTls }) => endsTls)
  const called = toPort(record.upstream_host)
  const there = ofKind.filter(({ port, target }) => port !== undefined && target === called)
  const atPort = called === undefined ? ofKind : there.length > 0 ? there : ofKind.filter(({ port }) => !port)
  if (security === undefined) return atPort
  return narrow(atPort, ({ endsTls }) => endsTls === (security === 'mutual_tls'))
}

/** What nothing is left of was otherwise when the call was made. */
const narrow = (all: readonly Entrance[], isIt: (entrance: Entrance) => boolean): readonly Entrance[] => {
  const left = all.filter(isIt)
  return left.length > 0 ? left : all
}
