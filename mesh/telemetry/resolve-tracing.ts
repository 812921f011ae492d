import type { MeshConfig } from '../config/mesh-config.ts'
import type { TracingRule } from '../config/telemetry.ts'
import { findProvider, toMaxTagLength, takesTraces } from './find-provider.ts'
import type { TracingOfSide } from './telemetry-for-proxy.ts'

/** Istio's, where nothing else is said (`PILOT_TRACE_SAMPLING`). */
const defaultSampling = 1

/**
 * How one side of calls is traced (Istio reference: Tracing). Rules, the widest first, go one over the other, field by field; what none of them says
 * is as the mesh's settings of its proxies have it.
 */
export const resolveTracing = (settings: MeshConfig, rules: readonly TracingRule[]): TracingOfSide => {
  const ofProxies = settings.defaultConfig.tracing
  const last = <Field extends keyof TracingRule>(field: Field): TracingRule[Field] | undefined =>
    rules.findLast((rule) => rule[field] !== undefined)?.[field]
  const provider = last('disableSpanReporting') === true ? undefined : toProvider(settings, rules)
  const customTags = last('customTags') ?? {}
  const maxPathTagLength = (provider && toMaxTagLength(provider)) || ofProxies?.maxPathTagLength
  return {
    ...(provider && { provider }),
    samplingPercentage: toSampling(provider, last('randomSamplingPercentage'), ofProxies?.sampling),
    customTags: Object.keys(customTags).length > 0 ? customTags : (ofProxies?.customTags ?? {}),
    usesRequestIdForSampling: last('useRequestIdForTraceSampling') ?? true,
    hasIstioTags: last('enableIstioTags') ?? ofProxies?.enableIstioTags ?? true,
    propagates: last('disableContextPropagation') !== true,
    ...(maxPathTagLength && { maxPathTagLength }),
  }
}

/** Of several that are named in one place the first one counts, as in Istio. */
const toProvider = ({ defaultProviders, extensionProviders }: MeshConfig, rules: readonly TracingRule[]) => {
  const named = rules.findLast(({ providers }) => providers.length > 0)?.providers[0]?.name
  const name = named ?? defaultProviders.tracing[0]
  const found = name === undefined ? undefined : findProvider(extensionProviders, name)
  return typeof found === 'object' && takesTraces(found) ? found : undefined
}

/** What a sampler of the provider's own decides on is sampled here. */
const toSampling = (
  provider: TracingOfSide['provider'],
  told: number | undefined,
  ofProxies: number | undefined,
): number => {
  if (provider?.opentelemetry?.dynatraceSampler) return 100
  if (told !== undefined) return told
  // As in Istio: 0 says nothing there.
  if (ofProxies === undefined || ofProxies === 0) return defaultSampling
  return ofProxies > 100 ? defaultSampling : ofProxies
}
