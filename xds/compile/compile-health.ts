import type { ProbeTarget } from '#mesh/injection/probe-routes.ts'
import { passedOnSource, proxyHealthPort, proxyReadinessPath } from '#mesh/kubernetes/conventions.ts'
import type { Workload } from '#mesh/workload.ts'
import type { HealthPath, Listener } from '#xds/model/listener.ts'
import type { HealthCheck, Upstream } from '#xds/model/upstream.ts'
import type { Forward, Route } from '#xds/model/virtual-host.ts'
import { healthListener, toProbeUpstreamName } from './resource-names.ts'
import { toStaticDiscovery } from './static-discovery.ts'

interface CompiledHealth {
  readonly listener: Listener
  readonly upstreams: readonly Upstream[]
}

/** What the application itself is asked. */
interface Question {
  readonly upstream: Upstream
  readonly route: Route
}

/** How one probe is answered: by the application itself, or by what its health check says. */
type Probe = Question | { readonly upstream: Upstream; readonly healthPath: HealthPath }

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
  const healthPaths = probes.flatMap((probe) => ('healthPath' in probe ? [probe.healthPath] : []))
  return compilePlainListener(healthListener, { address, port: proxyHealthPort }, 'probes', {
    routes: probes.flatMap((probe) => ('route' in probe ? [probe.route] : [])),
    healthPaths: [{ path: proxyReadinessPath }, ...healthPaths],
  })
}

/** For who has no certificate of the mesh, and is no part of its traffic. */
export const compilePlainListener = (
  name: string,
  { address, port }: { readonly address: string; readonly port: number },
  serves: NonNullable<Listener['serves']>,
  { routes, healthPaths }: { readonly routes: readonly Route[]; readonly healthPaths?: readonly HealthPath[] },
): Listener => ({
  name,
  address,
  port,
  direction: 'inbound',
  serves,
  inspectors: [],
  chains: [
    {
      match: {},
      handler: {
        kind: 'http',
        statPrefix: name,
        routes: {
          kind: 'inline',
          name,
          virtualHosts: routes.length > 0 ? [{ name: serves, domains: ['*'], routes, retries: undefined }] : [],
        },
        clientCertificate: 'strip',
        isForwardProxy: false,
        ...(healthPaths && { healthPaths }),
        upgrades: [],
      },
    },
  ],
  trustEpoch: 0,
})

const compileProbe = (address: string, path: string, target: ProbeTarget): Probe =>
  'httpGet' in target ? compileQuestion(address, path, target.httpGet) : compileChecked(address, path, target)

/**
 * A path of the proxy that leads to one of the application's. Anybody may ask: only what was written is let through, so no other method, and
 * no query but the target's. The answer's `location` would lead the kubelet to the proxy's port; a redirect without one counts as success
 * there (Go: net/http, redirectBehavior).
 */
export const compileQuestion = (
  address: string,
  path: string,
  { port, path: asked, scheme }: HttpTarget,
  how: Pick<Forward, 'authority'> & { readonly timeoutMs?: number } = {},
): Question => {
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
        ...how,
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
