import { inboundCapturePort, outboundCapturePort, passedOnSource } from '#mesh/kubernetes/conventions.ts'
import type { FilterChain, Inspector, Listener } from '#xds/model/listener.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import { refuse } from './compile-gate.ts'
import {
  compileInboundChains,
  toSniffed,
  type InboundMode,
  type InboundRules,
  type InboundTraffic,
} from './compile-inbound-chains.ts'
import { inboundPassthroughUpstream } from './resource-names.ts'

/** Where all captured incoming connections come; Istio's name. */
export const compileCapturedInbound = (
  ports: readonly InboundTraffic[],
  rules: InboundRules,
  trustEpoch: number,
): Listener => ({
  name: 'virtualInbound',
  address: '0.0.0.0',
  port: inboundCapturePort,
  direction: 'inbound',
  role: 'capture',
  inspectors: (['tls', 'http'] as const).flatMap((kind) => toInspector(kind, ports, rules)),
  sniffTimeoutMs: rules.sniffTimeoutMs,
  chains: [
    ...[outboundCapturePort, inboundCapturePort].map(refuse),
    ...ports.flatMap((inbound) =>
      compileInboundChains(inbound, rules).map((chain) => ({
        ...chain,
        match: { ...chain.match, destinationPort: inbound.port },
      })),
    ),
    ...(rules.unnamed?.ports ?? []).map(({ port, mode }) => ({
      ...compileUnnamed(mode, rules),
      match: { destinationPort: port },
    })),
  ],
  ...(rules.unnamed && { defaultChain: compileUnnamed(rules.unnamed.mode, rules) }),
  trustEpoch,
})

const toInspector = (kind: Inspector['kind'], ports: readonly InboundTraffic[], rules: InboundRules): Inspector[] => {
  // Of ports that no service names too.
  if (kind === 'tls' && rules.asksServerName && rules.unnamed) return [{ kind }]
  const sniffed = ports.filter((inbound) => toSniffed(inbound, rules).includes(kind)).map(({ port }) => port)
  return sniffed.length > 0 ? [{ kind, ports: sniffed }] : []
}

/** Ports that no service names: under mesh mTLS alone or, where plaintext is taken as well, as it comes. */
const compileUnnamed = (
  mode: InboundMode,
  { access: told, untoldAccess: access = told }: InboundRules,
): FilterChain => ({
  match: {},
  ...(mode === 'strict' && { mtls: { alpn: [], peers: 'mesh' } }),
  handler: {
    kind: 'tcp',
    statPrefix: inboundPassthroughUpstream,
    destinations: [{ upstream: inboundPassthroughUpstream, weight: 1 }],
    hashesSourceIp: false,
    ...(access && { access }),
  },
})

export const inboundPassthrough: Upstream = {
  name: inboundPassthroughUpstream,
  discovery: { kind: 'original-destination' },
  protocol: 'tcp',
  tls: { mode: 'none' },
  policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
  sourceAddress: passedOnSource,
  trustEpoch: 0,
  called: { service: inboundPassthroughUpstream },
}
