import { z } from 'zod'
import type { KindDefinition, Report } from './kind-definition.ts'
import { labelExpressionFault } from './schema/cel-expression.ts'
import { filterFault } from './schema/cel-filter.ts'
import { customTags } from './schema/custom-tag.ts'
import { positiveDuration } from './schema/duration.ts'
import { labelNameFault } from './schema/metric-label.ts'
import { checked, choice, fieldNotes, message, optionalText, setFields } from './schema/message.ts'
import { isOneTarget, policyTargetFields, warnOfTarget } from './schema/policy-target.ts'

/** Istio reference: telemetry, WorkloadMode. */
const workloadModes = ['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'] as const
export type WorkloadMode = (typeof workloadModes)[number]

const mode = choice(workloadModes).default('CLIENT_AND_SERVER')

const providers = z.array(message({ name: z.string().min(1, 'is required') })).default([])

const tracing = message({
  match: message({ mode }).optional(),
  /** The first one counts. */
  providers,
  randomSamplingPercentage: z.number().min(0).max(100).optional(),
  disableSpanReporting: z.boolean().optional(),
  customTags: customTags.optional(),
  useRequestIdForTraceSampling: z.boolean().optional(),
  enableIstioTags: z.boolean().optional(),
  disableContextPropagation: z.boolean().optional(),
})
export type TracingRule = z.output<typeof tracing>

/** Istio reference: Istio standard metrics. */
const metricNames = [
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const
export type MetricName = (typeof metricNames)[number]

const filterExpression = checked(z.string(), ({ value, report }) => {
  const fault = filterFault(value)
  if (fault !== undefined) report(fault)
})

const labelExpression = checked(z.string(), ({ value, report }) => {
  const fault = labelExpressionFault(value)
  if (fault !== undefined) report(fault)
})

const tagOverride = checked(
  message({
    operation: choice(['UPSERT', 'REMOVE']).default('UPSERT'),
    /** An expression of CEL. */
    value: optionalText(labelExpression),
  }),
  ({ value: { operation, value }, sound, report }) => {
    if (operation === 'UPSERT' && value === undefined && sound) report('is required', ['value'])
    if (operation === 'REMOVE' && value !== undefined) report('is for the operation UPSERT only', ['value'])
  },
)

const tagOverrides = checked(z.record(z.string(), tagOverride).default({}), ({ value, report }) => {
  for (const [name, { operation }] of Object.entries(value)) {
    const fault = operation === 'UPSERT' ? labelNameFault(name) : undefined
    if (fault !== undefined) report(fault, [name])
  }
})

const noOtherMetrics = 'proxies have the standard metrics alone'
const toldAtTheEnd = 'bytes of connections are counted when they end'

const metricSelector = checked(
  message({
    metric: choice(['ALL_METRICS', ...metricNames]).optional(),
    customMetric: z
      .string()
      .min(1, 'must not be empty')
      .optional()
      .register(fieldNotes, { withoutEffect: noOtherMetrics }),
    mode,
  }),
  ({ value, report }) => {
    if (setFields(value, ['metric', 'customMetric']).length > 1) report('takes one of metric, customMetric')
  },
)

const metrics = message({
  providers,
  overrides: z
    .array(
      message({
        /** Absent: all metrics, on both sides. */
        match: metricSelector.optional(),
        disabled: z.boolean().optional(),
        tagOverrides,
      }),
    )
    .default([]),
  reportingInterval: positiveDuration.optional().register(fieldNotes, { withoutEffect: toldAtTheEnd }),
})
export type MetricsRule = z.output<typeof metrics>

const accessLogging = message({
  match: message({ mode }).optional(),
  providers,
  disabled: z.boolean().optional(),
  filter: message({ expression: filterExpression }).optional(),
})
export type AccessLoggingRule = z.output<typeof accessLogging>

/** Istio reference: telemetry. */
const telemetrySpec = checked(
  message({
    ...policyTargetFields,
    tracing: z.array(tracing).default([]),
    metrics: z.array(metrics).default([]),
    accessLogging: z.array(accessLogging).default([]),
  }),
  ({ value, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRef, targetRefs')
  },
)
export type TelemetrySpec = z.output<typeof telemetrySpec>

const warnOfMetrics = (rules: readonly MetricsRule[], warn: (path: readonly PropertyKey[], text: string) => void) => {
  for (const [index, { overrides, reportingInterval }] of rules.entries()) {
    if (reportingInterval !== undefined) warn(['metrics', index, 'reportingInterval'], toldAtTheEnd)
    for (const [place, { match, tagOverrides }] of overrides.entries()) {
      const path = ['metrics', index, 'overrides', place]
      if (match?.customMetric !== undefined) warn([...path, 'match', 'customMetric'], noOtherMetrics)
      if (Object.hasOwn(tagOverrides, '')) warn([...path, 'tagOverrides', ''], 'a label needs a name: it is left out')
    }
  }
}

export const telemetry: KindDefinition<TelemetrySpec> = {
  group: 'telemetry.istio.io',
  versions: ['v1', 'v1alpha1'],
  kind: 'Telemetry',
  plural: 'telemetries',
  schema: telemetrySpec,
  check({ spec }, report: Report) {
    const warn = (path: readonly PropertyKey[], text: string) =>
      report(['spec', ...path], text, { severity: 'warning' })
    warnOfTarget(spec, report)
    for (const [index, { providers: named }] of spec.tracing.entries())
      if (named.length > 1) warn(['tracing', index, 'providers'], `traces go to one provider: "${named[0]?.name}"`)
    warnOfMetrics(spec.metrics, warn)
  },
}
