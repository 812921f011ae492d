import type { Endpoint } from '../service.ts'
import { modeOf, resolvePeerModes, type PeerModeSource } from './peer-modes.ts'

type Asked = Pick<Endpoint, 'ports' | 'locality' | 'network' | 'cluster' | 'labels' | 'tls' | 'issuer' | 'ofMesh'>

/**
 * The ports on which the proxy of an endpoint takes plaintext alone, sorted: those whose PeerAuthentication says DISABLE. Found out by the
 * cluster that has the endpoint, which tells the others. What the mesh says of its own machines all know from the mesh; Istio's sidecars
 * follow what is in their cluster.
 */
export const findPlaintextPorts = (source: PeerModeSource, namespace: string, endpoint: Asked): readonly number[] => {
  const { ports, tls, issuer, ofMesh } = endpoint
  if (tls === 'none') return []
  const whose = issuer === 'external' ? 'cluster' : ofMesh === undefined ? undefined : 'mesh'
  const modes = resolvePeerModes(source, { namespace, place: endpoint, ...(whose && { whose }) })
  return [...new Set(Object.values(ports))]
    .filter((port) => modeOf(modes, port).mode === 'DISABLE')
    .toSorted((left, right) => left - right)
}

/** An endpoint with its ports marked that take plaintext alone, and no others. */
export const markPlaintextPorts = <E extends Endpoint>(source: PeerModeSource, namespace: string, endpoint: E): E => {
  const plaintextPorts = findPlaintextPorts(source, namespace, endpoint)
  if (plaintextPorts.length > 0) return { ...endpoint, plaintextPorts }
  if (endpoint.plaintextPorts === undefined) return endpoint
  const { plaintextPorts: _gone, ...unmarked } = endpoint
  return unmarked as E
}

/** Whether mesh mTLS is taken on a port of an endpoint. */
export const takesMutualTls = (
  { tls, plaintextPorts = [] }: Pick<Endpoint, 'tls' | 'plaintextPorts'>,
  port: number | undefined,
): boolean => tls === 'mutual' && (port === undefined || !plaintextPorts.includes(port))

/** The names of a service's ports that other networks reach at an endpoint, sorted: their gateways pass on nothing but mesh mTLS. */
export const toPassedPorts = (endpoint: Pick<Endpoint, 'ports' | 'tls' | 'plaintextPorts'>): string[] =>
  Object.entries(endpoint.ports)
    .filter(([, port]) => takesMutualTls(endpoint, port))
    .map(([name]) => name)
    .toSorted()
