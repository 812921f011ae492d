import type { ProbeTarget } from '#mesh/injection/probe-routes.ts'
import { passedOnSource, proxyHealthPort, proxyReadinessPath } from '#mesh/kubernetes/conventions.ts'
import type { Workload } from '#mesh/workload.ts'
import type { HealthPath, Listener } from '#xds/model/listener.ts'
import type { HealthCheck, Upstream } from '#xds/model/upstream.ts'
import type { Route } from '#xds/model/virtual-host.ts'
import { healthListener, toProbeUpstreamName } from './resource-names.ts'
import { toStaticDiscovery } from './static-discovery.ts'

interface CompiledHealth {
  readonly listener: Listener
  readonly upstreams: readonly Upstream[]
}

/** How one probe is answered: by the application itself, or by what its health check says. */
type Probe = { readonly upstream: Upstream } & ({ readonly route: Route } | { readonly healthPath: HealthPath })

type HttpTarget = Extract<ProbeTarget, { httpGet: unknown }>['httpGet']
type CheckedTarget = Exclude<ProbeTarget, { httpGet: unknown }>

/**
 * What a captured workload's proxy answers to the kubelet: whether it is ready itself, and the application's probes. A pod that has no
 * address yet has no probes either.
 */
export const compileHealth = ({ address, probeRoutes = {} }: Workload): CompiledHealth => {
  const probes = address === '' ? [] : Object.entries(probeRoutes).map((entry) => compileProbe(address, ...entry))
  return {
    listener: compileHealthListener('0.0.0.0', probes),
    upstreams: [...new Map(probes.map(({ upstream }) => [upstream.name, upstream])).values()],
  }
}

/** In plaintext. That it is there tells that the proxy has its configuration: Envoy opens no port before. */
export const compileHealthListener = (address: string, probes: readonly Probe[]): Listener => {
  const routes = probes.flatMap((probe) => ('route' in probe ? [probe.route] : []))
  const healthPaths = probes.flatMap((probe) => ('healthPath' in probe ? [probe.healthPath] : []))
  return {
    name: healthListener,
    address,
    port: proxyHealthPort,
    direction: 'inbound',
    serves: 'probes',
    inspectors: [],
    chains: [
      {
        match: {},
        handler: {
          kind: 'http',
          statPrefix: 'health',
          routes: {
            kind: 'inline',
            name: 'health',
            virtualHosts: routes.length > 0 ? [{ name: 'probes', domains: ['*'], routes, retries: undefined }] : [],
          },
          clientCertificate: 'strip',
          isForwardProxy: false,
          healthPaths: [{ path: proxyReadinessPath }, ...healthPaths],
          upgrades: [],
        },
      },
    ],
    trustEpoch: 0,
  }
}

const compileProbe = (address: string, path: string, target: ProbeTarget): Probe =>
  'httpGet' in target ? compileHttp(address, path, target.httpGet) : compileChecked(address, path, target)

/**
 * Anybody may ask: only what the kubelet would ask is let through, so no other method, and no query but the probe's. The answer's
 * `location` would lead the kubelet to the proxy's port; a redirect without one counts as success there (Go: net/http, redirectBehavior).
 */
const compileHttp = (address: string, path: string, { port, path: asked, scheme }: HttpTarget): Probe => {
  const name = toProbeUpstreamName(scheme.toLowerCase(), port)
  return {
    upstream: {
      ...toOwnPort(name, address, port),
      protocol: 'http1',
      tls: { mode: scheme === 'HTTPS' ? 'unverified' : 'none' },
    },
    route: {
      match: {
        path: { kind: 'exact', text: path, ignoresCase: false },
        headers: [toExact(':method', 'GET'), toExact(':path', path)],
        queryParameters: [],
      },
      action: {
        kind: 'forward',
        destinations: [{ upstream: name, weight: 1 }],
        pathRewrite: { kind: 'prefix', prefix: asked },
        timeoutMs: 0,
      },
      responseHeaders: { put: [], remove: ['location'] },
    },
  }
}

const toExact = (name: string, text: string) => ({ name, value: { kind: 'exact' as const, text }, isInverted: false })

const unhealthyIntervalMs = 1000

/** No byte of a request comes to a port that is only to be open: the proxy asks by itself, and answers what it last saw. */
const compileChecked = (address: string, path: string, target: CheckedTarget): Probe => {
  const { timeoutSeconds, periodSeconds } = target
  const { port } = 'grpc' in target ? target.grpc : target.tcpSocket
  const check: HealthCheck['check'] =
    'grpc' in target ? { kind: 'grpc', service: target.grpc.service, authority: `${address}:${port}` } : { kind: 'tcp' }
  const service = check.kind === 'grpc' ? [check.service] : []
  const name = toProbeUpstreamName(check.kind, port, timeoutSeconds, periodSeconds, ...service)
  return {
    upstream: {
      ...toOwnPort(name, address, port),
      protocol: check.kind === 'grpc' ? 'http2' : 'tcp',
      tls: { mode: 'none' },
      healthCheck: {
        check,
        timeoutMs: timeoutSeconds * 1000,
        intervalMs: periodSeconds * 1000,
        unhealthyIntervalMs,
      },
    },
    healthPath: { path, upstream: name },
  }
}

/** Like the kubelet, it makes a connection for each question. */
const toOwnPort = (name: string, address: string, port: number): Omit<Upstream, 'protocol' | 'tls'> => ({
  name,
  discovery: toStaticDiscovery(name, { address, port }),
  policy: {
    loadBalancer: { kind: 'round-robin' },
    connectTimeoutMs: 10_000,
    limits: {},
    maxRequestsPerConnection: 1,
  },
  sourceAddress: passedOnSource,
  trustEpoch: 0,
})
