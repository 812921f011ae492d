import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import type { VirtualHost } from '#xds/model/virtual-host.ts'
import type { Egress, EgressPoint } from './compile-egress.ts'
import { anyRequest } from './compile-http-match.ts'
import { blockAllHost, passthroughUpstream } from './resource-names.ts'

/**
 * What the route configuration of an egress point does with hosts that it has no virtual host for. An HTTP proxy may resolve and call
 * them, as the mesh's outbound policy says, for the workload beside it alone; all else answers 502 (Istio's BlackHoleCluster). A proxy is never asked to call a port that
 * it listens on itself: it would for ever.
 */
export const compileCatchAll = (point: EgressPoint, { proxyHttpPort }: MeshConfig, egress: Egress): VirtualHost[] => {
  if (point.isCaptured) return compileCapturedCatchAll(egress)
  // Where traffic is captured, unknown hosts need no proxy: PassthroughCluster then is the original destination.
  if (point.scope?.port !== undefined || egress.unknown === undefined || egress.captured) return [blockAll]
  if (!isOfWorkloadAlone(point)) return [blockAll]
  const ownPorts = [...new Set([proxyHttpPort, point.port])].filter((port) => port > 0)
  const allowAny = toAllowAny(egress.unknown)
  const connect = allowAny.routes.map((route) => ({
    ...route,
    match: { ...anyRequest, path: { kind: 'connect' as const } },
  }))
  return [
    { ...blockAll, name: 'own-port', domains: ownPorts.map((port) => `*:${port}`) },
    { ...allowAny, routes: [...connect, ...allowAny.routes] },
  ]
}

/** Who else reaches the point would reach whatever the workload can, its own loopback too. */
const isOfWorkloadAlone = ({ bind }: EgressPoint): boolean =>
  bind === undefined || bind === '::1' || bind.startsWith('127.') || bind.startsWith('unix://')

/** Captured requests for hosts that the mesh does not know go where they were going, or get 502. */
export const compileCapturedCatchAll = ({ unknown }: Egress): VirtualHost[] => [
  unknown === undefined ? blockAll : toAllowAny(unknown),
]

const toAllowAny = (upstream: string): VirtualHost => ({
  name: 'allow-any',
  domains: ['*'],
  routes: [{ match: anyRequest, action: { kind: 'forward', destinations: [{ upstream, weight: 1 }], timeoutMs: 0 } }],
  retries: undefined,
})

const blockAll: VirtualHost = {
  name: blockAllHost,
  domains: ['*'],
  routes: [{ match: anyRequest, action: { kind: 'respond', status: 502 } }],
  retries: undefined,
}

/** Where what the mesh does not know is reached: resolved by an HTTP proxy, or where captured connections were made to. */
export const toPassthrough = (isCaptured: boolean): Upstream => ({
  name: passthroughUpstream,
  discovery: { kind: isCaptured ? 'original-destination' : 'forward-proxy' },
  protocol: 'downstream',
  tls: { mode: 'none' },
  policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
  trustEpoch: 0,
  called: { service: passthroughUpstream },
})
