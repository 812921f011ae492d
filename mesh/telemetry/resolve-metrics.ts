import type { ExtensionProvider } from '../config/schema/extension-providers.ts'
import type { MetricName, MetricsRule, WorkloadMode } from '../config/telemetry.ts'
import { findProvider, takesMetrics } from './find-provider.ts'
import type { StandardMetric } from './standard-metrics.ts'
import type { MetricOverride, MetricsOfSide } from './telemetry-for-proxy.ts'

const byName: Readonly<Record<MetricName, StandardMetric>> = {
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
}
const all = Object.values(byName)

type Overrides = MetricsOfSide['overrides']
type Override = MetricsRule['overrides'][number]

/**
 * What is counted on one side of calls (Istio reference: Metrics). Rules, the widest first, are applied in their order, each over those before. There
 * is one counting, which Prometheus and the mesh itself read: rules for other providers mean nothing here.
 */
export const resolveMetrics = (
  defined: readonly ExtensionProvider[],
  rules: readonly MetricsRule[],
  isFor: (mode: WorkloadMode | undefined) => boolean,
): MetricsOfSide => {
  const own = rules.filter(
    ({ providers }) => providers.length === 0 || providers.some(({ name }) => isOwn(defined, name)),
  )
  const overrides = own
    .flatMap((rule) => rule.overrides)
    .filter(({ match }) => isFor(match?.mode))
    .reduce(apply, {})
  return { overrides }
}

const isOwn = (defined: readonly ExtensionProvider[], name: string): boolean => {
  const found = findProvider(defined, name)
  return found === 'own' || (found !== undefined && takesMetrics(found))
}

const apply = (before: Overrides, override: Override): Overrides => ({
  ...before,
  ...Object.fromEntries(toMetrics(override).map((metric) => [metric, applyTo(before[metric], override)])),
})

const toMetrics = ({ match }: Override): readonly StandardMetric[] => {
  if (match?.customMetric !== undefined) return []
  return match?.metric === undefined || match.metric === 'ALL_METRICS' ? all : [byName[match.metric]]
}

const applyTo = (before: MetricOverride | undefined, { disabled, tagOverrides }: Override): MetricOverride => ({
  disabled: disabled ?? before?.disabled ?? false,
  tags: {
    ...before?.tags,
    ...Object.fromEntries(
      Object.entries(tagOverrides).flatMap(([name, { operation, value }]) =>
        name === '' ? [] : [[name, operation === 'REMOVE' ? undefined : value]],
      ),
    ),
  },
})
