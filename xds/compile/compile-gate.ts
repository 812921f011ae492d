import { outboundCapturePort } from '#mesh/kubernetes/conventions.ts'
import type { FilterChain, Listener, TcpHandler } from '#xds/model/listener.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import type { Egress } from './compile-egress.ts'
import { blackHoleUpstream } from './resource-names.ts'

/** Where all captured outgoing connections come; Istio's name. What no other listener is for goes on, as the outbound policy says. */
export const compileGate = ({ unknown }: Pick<Egress, 'unknown'>, sidecarKey: string): Listener => ({
  name: 'virtualOutbound',
  ...(sidecarKey !== '' && { scopedBy: sidecarKey }),
  address: '0.0.0.0',
  port: outboundCapturePort,
  direction: 'outbound',
  role: 'gate',
  inspectors: [],
  chains: [refuse(outboundCapturePort)],
  defaultChain: { match: {}, handler: toTcp(unknown ?? blackHoleUpstream) },
  trustEpoch: 0,
})

/** Connections to a capture port itself would come back for ever. */
export const refuse = (destinationPort: number): FilterChain => ({
  match: { destinationPort },
  handler: toTcp(blackHoleUpstream),
})

const toTcp = (upstream: string): TcpHandler => ({
  kind: 'tcp',
  statPrefix: upstream,
  destinations: [{ upstream, weight: 1 }],
  hashesSourceIp: false,
})

/** It has no endpoints: connections to it are closed. */
export const blackHole: Upstream = {
  name: blackHoleUpstream,
  discovery: { kind: 'static', assignment: { upstream: blackHoleUpstream, localities: [] } },
  protocol: 'tcp',
  tls: { mode: 'none' },
  policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
  trustEpoch: 0,
  called: { service: blackHoleUpstream },
}
