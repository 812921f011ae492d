import { toMilliseconds } from '../config/schema/duration.ts'
import type { ProxySettings } from '../config/schema/proxy-settings.ts'
import { err, ok } from '../result.ts'
import { toTracingServiceName } from '../telemetry/tracing-service-name.ts'
import { annotationProblem, parseAnyText } from './annotation-reader.ts'
import type { AnnotationReader, InjectionProblem, ParseText } from './annotation-reader.ts'
import type { InjectionSettings, Resources } from './injection-settings.ts'
import { gatewayTemplate, injectionTemplatesAnnotation } from '../kubernetes/conventions.ts'
import { parseProxyConfig } from './parse-proxy-config.ts'
import { parseQuantity, toCpuCount } from './parse-quantity.ts'
import { mergeProxySettings, type ProxyLayers } from './proxy-layers.ts'

export interface ReadinessTiming {
  readonly initialDelaySeconds: number
  readonly periodSeconds: number
  readonly failureThreshold: number
}

/** A pod's proxy, as the settings and the pod's annotations want it. */
export interface ProxyOptions {
  readonly image: string
  /** What a backend of traces calls it. */
  readonly tracedAs: string
  readonly isNative: boolean
  readonly holdsApplication: boolean
  readonly rewritesProbes: boolean
  readonly mergesMetrics: boolean
  readonly resources: Resources
  /** Worker threads; undefined = one for each CPU of the node. */
  readonly concurrency: number | undefined
  readonly logLevel: string
  readonly componentLogLevel: string | undefined
  /** Variables of its environment. */
  readonly environment: Readonly<Record<string, string>>
  /** How what it writes into files is held back; undefined = as Envoy does. */
  readonly fileFlush: { readonly milliseconds?: number | undefined; readonly kilobytes?: number | undefined }
  /** How long an ordinary container goes on when its pod is to end. */
  readonly drainSeconds: number
  /** It has no application beside it, and ends before that when nobody is connected any more. */
  readonly isGateway: boolean
  readonly readiness: ReadinessTiming
}

/** proxy.istio.io/config */
const proxyConfigAnnotation = 'proxy.istio.io/config'
/** Istio's default of terminationDrainDuration. */
const defaultDrainSeconds = 5

interface PodFacts {
  readonly labels?: Readonly<Record<string, string>>
  /** Of a gateway's container, which is the user's own. */
  readonly ownCpuLimit?: string | number | null | undefined
}

/** A pod whose labels name nothing; the kubelet fills in its namespace. */
const nameless = { name: 'istio-proxy', namespace: '$(POD_NAMESPACE)' }

/**
 * Istio reference: Resource Annotations, `sidecar.istio.io/…`, and ProxyConfig.
 */
export const readProxyOptions = (
  reader: AnnotationReader,
  settings: InjectionSettings,
  { base, override, mergesMetrics }: ProxyLayers,
  { labels = {}, ownCpuLimit }: PodFacts = {},
): { readonly options: ProxyOptions; readonly warnings: readonly InjectionProblem[] } => {
  const image = reader.read('sidecar.istio.io/proxyImage', parseAnyText)
  const annotation = reader.read(proxyConfigAnnotation, parseProxyConfig)
  const config = mergeProxySettings(base, annotation?.settings ?? {}, override)
  const resources = readResources(reader) ?? settings.resources
  const isGateway = reader.read(injectionTemplatesAnnotation, oneOf(['sidecar', gatewayTemplate])) === gatewayTemplate
  if (!isGateway) reader.read('sidecar.istio.io/interceptionMode', oneOf(['REDIRECT']))
  const warnings = [
    ...(annotation?.ignored ?? []).map((field) => annotationProblem(proxyConfigAnnotation, `${field} has no effect`)),
    // As in Istio: a name without a registry chooses among the installation's own images, of which there is one.
    ...(image === undefined || image.includes('/')
      ? []
      : [
          annotationProblem(
            'sidecar.istio.io/proxyImage',
            `"${image}" is no image with its registry: it has no effect`,
          ),
        ]),
  ]
  return {
    options: {
      image: image?.includes('/') === true ? image : settings.proxyImage,
      tracedAs: toTracingServiceName({ ...nameless, labels }, config.tracingServiceName),
      isGateway,
      ...(isGateway ? gatewayHabits : readSidecarHabits(reader, settings, config, mergesMetrics)),
      resources,
      concurrency: toConcurrency(
        config.concurrency,
        isGateway && ownCpuLimit ? String(ownCpuLimit) : resources.limits?.cpu,
      ),
      logLevel: reader.read('sidecar.istio.io/logLevel', oneOf(logLevels)) ?? 'warning',
      componentLogLevel: reader.read('sidecar.istio.io/componentLogLevel', parseComponentLevels),
      environment: config.proxyMetadata ?? {},
      fileFlush: {
        milliseconds: config.fileFlushInterval && toMilliseconds(config.fileFlushInterval),
        kilobytes: config.fileFlushMinSizeKb,
      },
      drainSeconds: config.terminationDrainDuration
        ? Math.ceil(toMilliseconds(config.terminationDrainDuration) / 1000)
        : defaultDrainSeconds,
      readiness: readReadiness(reader),
    },
    warnings,
  }
}

type Habits = Pick<ProxyOptions, 'isNative' | 'holdsApplication' | 'rewritesProbes' | 'mergesMetrics'>

/** There is no application beside it. */
const gatewayHabits: Habits = { isNative: false, holdsApplication: false, rewritesProbes: false, mergesMetrics: false }

const readSidecarHabits = (
  reader: AnnotationReader,
  settings: InjectionSettings,
  config: ProxySettings,
  mergesMetrics: boolean,
): Habits => ({
  isNative: reader.read('sidecar.istio.io/nativeSidecar', parseBoolean) ?? settings.nativeSidecars,
  holdsApplication: config.holdApplicationUntilProxyStarts ?? settings.holdApplicationUntilProxyStarts,
  rewritesProbes: reader.read('sidecar.istio.io/rewriteAppHTTPProbers', parseBoolean) ?? true,
  mergesMetrics: reader.read('prometheus.istio.io/merge-metrics', parseBoolean) ?? mergesMetrics,
})

const logLevels = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const

const oneOf =
  (values: readonly string[]): ParseText<string> =>
  (text) =>
    values.includes(text) ? ok(text) : err(`"${text}" is not supported: only ${values.join(', ')}`)

const parseBoolean: ParseText<boolean> = (text) =>
  text === 'true' || text === 'false' ? ok(text === 'true') : err(`"${text}" is neither "true" nor "false"`)

const parseComponentLevels: ParseText<string> = (text) => {
  const isLevel = (part: string) => {
    const [component = '', level = '', ...more] = part.split(':')
    return /^\w+$/.test(component) && more.length === 0 && logLevels.some((known) => known === level)
  }
  return text.split(',').every(isLevel) ? ok(text) : err(`"${text}" is not a list such as http:debug,upstream:info`)
}

const parseCount: ParseText<number> = (text) =>
  /^\d{1,9}$/.test(text) ? ok(Number(text)) : err(`"${text}" is not a whole number`)

const readReadiness = (reader: AnnotationReader): ReadinessTiming => {
  const read = (name: string) => reader.read(`readiness.status.sidecar.istio.io/${name}`, parseCount)
  return {
    initialDelaySeconds: read('initialDelaySeconds') ?? 0,
    periodSeconds: read('periodSeconds') ?? 15,
    failureThreshold: read('failureThreshold') ?? 4,
  }
}

/** One of the annotations replaces all of the installation's resources, as in Istio. */
const readResources = (reader: AnnotationReader): Resources | undefined => {
  const read = (name: string) => reader.read(`sidecar.istio.io/${name}`, parseQuantity)
  const toQuantities = (cpu: string | undefined, memory: string | undefined) =>
    cpu === undefined && memory === undefined
      ? undefined
      : { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) }
  const requests = toQuantities(read('proxyCPU'), read('proxyMemory'))
  const limits = toQuantities(read('proxyCPULimit'), read('proxyMemoryLimit'))
  return requests || limits ? { ...(requests && { requests }), ...(limits && { limits }) } : undefined
}

/** Istio reference: ProxyConfig.concurrency: 0 = all CPUs; unset = by the CPU limit. */
const toConcurrency = (configured: number | undefined, cpuLimit: string | undefined): number | undefined => {
  if (configured !== undefined) return configured === 0 ? undefined : configured
  return cpuLimit === undefined ? undefined : Math.max(1, Math.ceil(toCpuCount(cpuLimit)))
}
