import type { ExtensionProvider } from '../config/schema/extension-providers.ts'
import type { CustomTag } from '../config/schema/custom-tag.ts'
import type { StandardMetric } from './standard-metrics.ts'

/** The side of a call that a proxy is on: `client` of what leaves its workload, and of all that a gateway passes on. */
export type CallSide = 'client' | 'server'

/** What a proxy tells of calls: what Telemetry objects, the mesh's default providers and its settings come to. */
export type TelemetryForProxy = Readonly<Record<CallSide, TelemetryOfSide>>

export interface TelemetryOfSide {
  /** Sorted: the mesh's store first. */
  readonly accessLogging: readonly AccessLogger[]
  readonly metrics: MetricsOfSide
  readonly tracing: TracingOfSide
}

export interface AccessLogger {
  /** `own` = the mesh's store; `mesh-file` = MeshConfig.accessLogFile. */
  readonly to: 'own' | 'mesh-file' | ExtensionProvider
  /** An expression of CEL: calls of which it is not true are not told. */
  readonly filter?: string
}

export interface MetricsOfSide {
  /** What is said of metrics. Others are as they are in the standard. */
  readonly overrides: Readonly<Partial<Record<StandardMetric, MetricOverride>>>
}

export interface MetricOverride {
  readonly disabled: boolean
  /** By label: an expression of CEL, or `undefined` where the label is removed. */
  readonly tags: Readonly<Record<string, string | undefined>>
}

export interface TracingOfSide {
  /** Who is sent the spans of sampled requests; absent = nobody but the mesh's store, which makes them of access log records. */
  readonly provider?: ExtensionProvider
  /** Of traces that begin here, how many are sampled. */
  readonly samplingPercentage: number
  readonly customTags: Readonly<Record<string, CustomTag>>
  readonly usesRequestIdForSampling: boolean
  readonly hasIstioTags: boolean
  /** Whether requests are sent on with their trace. */
  readonly propagates: boolean
  /** Absent = Envoy's own. */
  readonly maxPathTagLength?: number
}
