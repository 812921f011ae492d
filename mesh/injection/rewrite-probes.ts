import { proxyHealthPort } from '../kubernetes/conventions.ts'
import type { InjectionProblem } from './annotation-reader.ts'
import type { Container, Probe } from './pod.ts'
import { toProbePath } from './probe-routes.ts'
import type { ProbeRole, ProbeTarget } from './probe-routes.ts'

export interface RewrittenContainer {
  readonly container: Container
  readonly routes: readonly (readonly [path: string, target: ProbeTarget])[]
  readonly warnings: readonly InjectionProblem[]
}

const probeRoles = [
  ['readinessProbe', 'readyz'],
  ['livenessProbe', 'livez'],
  ['startupProbe', 'startupz'],
] as const
const hookRoles = [
  ['preStop', 'prestopz'],
  ['postStart', 'poststartz'],
] as const

/** Kubernetes' own. */
const defaults = { timeoutSeconds: 1, periodSeconds: 10, path: '/' }

/**
 * Leads the kubelet's probes and hooks to the proxy: the kubelet has no mesh certificate, and a proxy that captures a port accepts
 * every connection to it, whether the application lives or not. Commands are left alone, and what asks another host. `at` is the
 * container's place in its pod.
 */
export const rewriteProbes = (container: Container, at: readonly PropertyKey[]): RewrittenContainer => {
  const routes: [string, ProbeTarget][] = []
  const warnings: InjectionProblem[] = []
  const rewrite = (probe: Probe, role: ProbeRole, place: readonly PropertyKey[]): Probe => {
    if (isOfAnotherHost(probe) || (!probe.httpGet && !probe.tcpSocket && !probe.grpc)) return probe
    const target = toTarget(probe, container)
    if (target === undefined) {
      warnings.push({ path: place, message: 'names a port that its container does not have: left as it is' })
      return probe
    }
    const path = toProbePath(container.name, role)
    routes.push([path, target])
    return leadToProxy(probe, path)
  }
  const { lifecycle } = container
  const rewritten = {
    ...container,
    ...rewriteEach(container, probeRoles, at, rewrite),
    ...(lifecycle && {
      lifecycle: { ...lifecycle, ...rewriteEach(lifecycle, hookRoles, [...at, 'lifecycle'], rewrite) },
    }),
  }
  return { container: rewritten, routes, warnings }
}

const rewriteEach = <Field extends string>(
  holder: { readonly [field in Field]?: Probe | null | undefined },
  roles: readonly (readonly [Field, ProbeRole])[],
  at: readonly PropertyKey[],
  rewrite: (probe: Probe, role: ProbeRole, place: readonly PropertyKey[]) => Probe,
): { [field in Field]?: Probe } => {
  const rewritten: { [field in Field]?: Probe } = {}
  for (const [field, role] of roles) {
    const probe = holder[field]
    if (probe) rewritten[field] = rewrite(probe, role, [...at, field])
  }
  return rewritten
}

const isOfAnotherHost = ({ httpGet, tcpSocket }: Probe): boolean => Boolean(httpGet?.host) || Boolean(tcpSocket?.host)

/** undefined = its port is not known. */
const toTarget = (probe: Probe, { ports }: Container): ProbeTarget | undefined => {
  const { httpGet, tcpSocket, grpc } = probe
  const named = httpGet?.port ?? tcpSocket?.port ?? grpc?.port
  const port = typeof named === 'string' ? ports?.find(({ name }) => name === named)?.containerPort : named
  if (port === undefined) return undefined
  if (httpGet) {
    const path = httpGet.path ?? defaults.path
    const scheme = httpGet.scheme === 'HTTPS' ? 'HTTPS' : 'HTTP'
    return { httpGet: { port, path: path.startsWith('/') ? path : `/${path}`, scheme } }
  }
  const timing = {
    timeoutSeconds: probe.timeoutSeconds ?? defaults.timeoutSeconds,
    periodSeconds: probe.periodSeconds ?? defaults.periodSeconds,
  }
  return grpc ? { grpc: { port, service: grpc.service ?? '' }, ...timing } : { tcpSocket: { port }, ...timing }
}

/** Between kubelet and proxy it is always HTTP. */
const leadToProxy = ({ tcpSocket: _tcpSocket, grpc: _grpc, ...probe }: Probe, path: string): Probe => ({
  ...probe,
  httpGet: { ...probe.httpGet, path, port: proxyHealthPort, ...(probe.httpGet?.scheme && { scheme: 'HTTP' }) },
})
