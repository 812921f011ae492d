import type { MeshSettings } from '#mesh/settings.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import type { VirtualHost } from '#xds/model/virtual-host.ts'
import type { EgressPoint } from './compile-egress.ts'
import { anyRequest } from './compile-http-match.ts'
import { passthroughUpstream } from './resource-names.ts'

/**
 * What the route configuration of an egress point does with hosts that it has no virtual host for. A proxy may resolve and call them,
 * as the mesh's outbound policy says; all else answers 502 (Istio's BlackHoleCluster). A proxy is never asked to call a port that it
 * listens on itself: it would for ever.
 */
export const compileCatchAll = (point: EgressPoint, settings: MeshSettings, allowsUnknown: boolean): VirtualHost[] => {
  if (point.scope?.port !== undefined || !allowsUnknown) return [blockAll]
  const ownPorts = [...new Set([settings.proxyHttpPort, point.port])].filter((port) => port > 0)
  const destinations = [{ upstream: passthroughUpstream, weight: 1 }]
  const forward = { kind: 'forward' as const, destinations, timeoutMs: 0 }
  return [
    { ...blockAll, name: 'own-port', domains: ownPorts.map((port) => `*:${port}`) },
    {
      name: 'allow-any',
      domains: ['*'],
      routes: [
        { match: { ...anyRequest, path: { kind: 'connect' } }, action: forward },
        { match: anyRequest, action: forward },
      ],
      retries: undefined,
    },
  ]
}

const blockAll: VirtualHost = {
  name: 'block-all',
  domains: ['*'],
  routes: [{ match: anyRequest, action: { kind: 'respond', status: 502 } }],
  retries: undefined,
}

export const passthrough: Upstream = {
  name: passthroughUpstream,
  discovery: { kind: 'forward-proxy' },
  protocol: 'downstream',
  tls: { mode: 'none' },
  policy: { loadBalancer: { kind: 'round-robin' }, connectTimeoutMs: 10_000, limits: {} },
  trustEpoch: 0,
}
