import {
  captureContainer,
  injectLabel,
  injectionStatusAnnotation,
  proxyContainer,
  proxyUser,
  revisionLabel,
} from '../kubernetes/conventions.ts'
import { TLS_MODE_LABEL } from '../registry-records/to-endpoint.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { AnnotationReader, annotationProblem } from './annotation-reader.ts'
import type { InjectionProblem } from './annotation-reader.ts'
import { buildCaptureContainer } from './build-capture-container.ts'
import { buildProxyContainer, proxyVolumes } from './build-proxy-container.ts'
import { readCaptureSettings } from './capture-settings.ts'
import type { CaptureSettings } from './capture-settings.ts'
import { isInjected } from './decide-injection.ts'
import { findGatewayContainer, injectGateway } from './inject-gateway.ts'
import type { InjectionSettings } from './injection-settings.ts'
import type { InjectionStatus } from './injection-status.ts'
import { allContainers, defaultContainerAnnotation } from './pod.ts'
import type { Container, Pod } from './pod.ts'
import { probeRoutesAnnotation } from './probe-routes.ts'
import { noProxyLayers, type ProxyLayers } from './proxy-layers.ts'
import { readProxyOptions } from './proxy-options.ts'
import type { ProxyOptions } from './proxy-options.ts'
import { rewriteProbes } from './rewrite-probes.ts'
import type { RewrittenContainer } from './rewrite-probes.ts'
import { rewriteScraping } from './rewrite-scraping.ts'

export interface InjectedPod {
  readonly pod: Pod
  /** Of what in the pod nothing follows. */
  readonly warnings: readonly InjectionProblem[]
}

/** Kubernetes' default of terminationGracePeriodSeconds, and what is kept of it for an Envoy to end. */
const defaultGraceSeconds = 30
const endSeconds = 5

/**
 * A pod with its proxy: what is to be injected was decided before. What is there once is left as it is, so it can be done twice. The
 * error is all that keeps the pod from being injected as its annotations want it: such a pod must not start without a proxy.
 */
export const injectPod = (
  pod: Pod,
  settings: InjectionSettings,
  layers: ProxyLayers = noProxyLayers,
): Result<InjectedPod, readonly InjectionProblem[]> => {
  if (isInjected(pod)) return ok({ pod, warnings: [] })
  const reader = new AnnotationReader(pod.metadata?.annotations ?? {})
  const { options, warnings } = readProxyOptions(reader, settings, layers, {
    labels: pod.metadata?.labels ?? {},
    ownCpuLimit: findGatewayContainer(pod)?.resources?.limits?.cpu,
  })
  const capture = options.isGateway ? undefined : readCaptureSettings(reader)
  const problems = [...reader.problems, ...findNameClashes(pod, options)]
  if (problems.length > 0) return err(problems)
  const unread = [
    ...warnings,
    ...reader
      .unread()
      .filter(isOfIstio)
      .map((name) => annotationProblem(name, 'has no effect')),
  ]
  return ok(
    capture
      ? injectSidecar(pod, { options, capture, revision: settings.revision, warnings: unread })
      : { pod: withGrace(injectGateway(pod, options, settings.revision), options), warnings: unread },
  )
}

interface SidecarInjection {
  readonly options: ProxyOptions
  readonly capture: CaptureSettings
  readonly revision: string
  readonly warnings: readonly InjectionProblem[]
}

const injectSidecar = (pod: Pod, { options, capture, revision, warnings }: SidecarInjection): InjectedPod => {
  const init = (pod.spec.initContainers ?? []).map((container, index) =>
    toMeshContainer(container, ['spec', 'initContainers', index], options),
  )
  const application = pod.spec.containers.map((container, index) =>
    toMeshContainer(container, ['spec', 'containers', index], options),
  )
  const captures = buildCaptureContainer(options, capture)
  const proxy = buildProxyContainer(options)
  const rewritten = [...init, ...application]
  const given = pod.metadata?.annotations ?? {}
  const scraping = options.mergesMetrics ? rewriteScraping(given) : { annotations: given, warnings: [] }
  const injected: Pod = {
    ...pod,
    metadata: toMetadata(pod, { annotations: scraping.annotations, rewritten, options, revision }),
    spec: {
      ...pod.spec,
      // An ordinary proxy starts after the init containers: what they send is captured last, or it would go nowhere.
      initContainers: options.isNative
        ? [captures, proxy, ...init.map(({ container }) => container)]
        : [...init.map(({ container }) => container), captures],
      containers: [...(options.isNative ? [] : [proxy]), ...application.map(({ container }) => container)],
      volumes: [...(pod.spec.volumes ?? []), ...proxyVolumes],
    },
  }
  return {
    pod: withGrace(injected, options),
    warnings: [
      ...warnings,
      ...rewritten.flatMap((container) => container.warnings),
      ...scraping.warnings,
      ...findProxyUsers(pod),
    ],
  }
}

const findNameClashes = ({ spec }: Pod, { isGateway }: ProxyOptions): readonly InjectionProblem[] => {
  const toProblem = (list: string, index: number, name: string): InjectionProblem => ({
    path: ['spec', list, index, 'name'],
    message: `"${name}" is the injector's: give it another name, or switch injection off for this pod`,
  })
  const containers = (list: 'containers' | 'initContainers') =>
    (spec[list] ?? []).flatMap(({ name }, index) =>
      (name === proxyContainer && !(isGateway && list === 'containers')) || name === captureContainer
        ? [toProblem(list, index, name)]
        : [],
    )
  const volumes = (spec.volumes ?? []).flatMap(({ name }, index) =>
    proxyVolumes.some((volume) => volume.name === name) ? [toProblem('volumes', index, name)] : [],
  )
  return [...containers('initContainers'), ...containers('containers'), ...volumes]
}

const toMeshContainer = (
  container: Container,
  at: readonly PropertyKey[],
  { rewritesProbes }: ProxyOptions,
): RewrittenContainer => (rewritesProbes ? rewriteProbes(container, at) : { container, routes: [], warnings: [] })

interface Rewritten {
  readonly annotations: Readonly<Record<string, string>>
  readonly rewritten: readonly RewrittenContainer[]
  readonly options: ProxyOptions
  readonly revision: string
}

const toMetadata = (
  { metadata, spec }: Pod,
  { annotations, rewritten, options: { isNative }, revision }: Rewritten,
): NonNullable<Pod['metadata']> => {
  const routes = rewritten.flatMap((container) => container.routes)
  const [first] = spec.containers
  const status: InjectionStatus = {
    initContainers: isNative ? [captureContainer, proxyContainer] : [captureContainer],
    containers: isNative ? [] : [proxyContainer],
    volumes: proxyVolumes.map(({ name }) => name),
    imagePullSecrets: [],
    revision,
  }
  return {
    ...metadata,
    // By this label an istiod, where there is one beside Atoll, knows that the pod speaks mutual TLS.
    labels: { [TLS_MODE_LABEL]: 'istio', ...metadata?.labels },
    annotations: {
      ...(first && { [defaultContainerAnnotation]: first.name }),
      ...annotations,
      ...(routes.length > 0 && { [probeRoutesAnnotation]: JSON.stringify(Object.fromEntries(routes)) }),
      [injectionStatusAnnotation]: JSON.stringify(status),
    },
  }
}

const withGrace = (pod: Pod, { isNative, drainSeconds }: ProxyOptions): Pod => {
  const needed = drainSeconds + endSeconds
  if (isNative || (pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) >= needed) return pod
  return { ...pod, spec: { ...pod.spec, terminationGracePeriodSeconds: needed } }
}

const understood: readonly string[] = [injectLabel, injectionStatusAnnotation, revisionLabel, probeRoutesAnnotation]

/** Annotations that would change an injected pod in Istio. */
const isOfIstio = (name: string): boolean =>
  /^(?:(?:[a-z]+\.)*sidecar|inject|proxy)\.istio\.io\//.test(name) && !understood.includes(name)

const findProxyUsers = (pod: Pod): readonly InjectionProblem[] => {
  const isProxyUser = (user: number | null | undefined) => user === proxyUser
  const message = `user ${proxyUser} is the proxy's: what such a container sends is not captured`
  const path = ['spec', 'securityContext', 'runAsUser']
  if (isProxyUser(pod.spec.securityContext?.runAsUser)) return [{ path, message }]
  return allContainers(pod)
    .filter(({ securityContext }) => isProxyUser(securityContext?.runAsUser))
    .map(({ name }) => ({ path: ['spec'], message: `container ${name}: ${message}` }))
}
