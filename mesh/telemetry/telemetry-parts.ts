import { objectKeyOf, type Configured } from '../config-object.ts'
import { ownProvider } from '../config/schema/extension-providers.ts'
import type { TelemetrySpec, TracingRule } from '../config/telemetry.ts'
import { isForSide } from './is-for-side.ts'
import { meshFile, namesOf } from './resolve-access-logging.ts'
import type {
  AccessLogger,
  CallSide,
  MetricOverride,
  MetricsOfSide,
  TelemetryForProxy,
  TelemetryOfSide,
  TracingOfSide,
} from './telemetry-for-proxy.ts'

/** Something of what a proxy tells that people have written, without which it may go on. */
export interface TelemetryPart {
  /** Who has written it: keys of objects, or `meshSettings`. */
  readonly writers: readonly string[]
  readonly without: (telemetry: TelemetryForProxy) => TelemetryForProxy
}

/** The mesh's settings, among keys of objects. */
const meshSettings = 'MeshConfig'

/** The parts that are in what `objects` come to, for listeners of one side. */
export const toTelemetryParts = (
  objects: readonly Configured<TelemetrySpec>[],
  telemetry: TelemetryForProxy,
  side: CallSide,
): readonly TelemetryPart[] => {
  const writersOf = (isOne: (spec: TelemetrySpec) => boolean): readonly string[] =>
    objects.filter(({ spec }) => isOne(spec)).map(objectKeyOf)

  const toLog = ({ to, filter }: AccessLogger): TelemetryPart => {
    const name = nameOf(to)
    const rulesOf = ({ accessLogging }: TelemetrySpec) =>
      accessLogging.filter(({ match }) => isForSide(match?.mode, side))
    const naming = writersOf((spec) => rulesOf(spec).some((rule) => namesOf(rule).includes(name)))
    const filtering = writersOf((spec) =>
      rulesOf(spec).some((rule) => filter !== undefined && rule.providers.length === 0 && rule.filter),
    )
    return {
      writers: toWriters([...naming, ...filtering], to !== 'own' && naming.length === 0),
      without: withSide(side, ({ accessLogging }) => ({
        accessLogging: accessLogging.filter((other) => nameOf(other.to) !== name),
      })),
    }
  }

  const { accessLogging, tracing } = telemetry[side]
  const tracersOf = (isOne: (rule: TracingRule) => boolean) =>
    writersOf((spec) => spec.tracing.some((rule) => isForSide(rule.match?.mode, side) && isOne(rule)))
  const naming = tracersOf(({ providers }) => providers.length > 0)
  const tagging = tracersOf(({ customTags }) => customTags !== undefined)
  return [
    // The mesh's store needs nobody to write it.
    ...accessLogging.filter(({ to, filter }) => to !== 'own' || filter !== undefined).map(toLog),
    ...(tracing.provider
      ? [
          {
            writers: toWriters([...naming, ...tagging], naming.length === 0),
            without: withSide(side, (own) => ({ tracing: withoutProvider(own.tracing) })),
          },
        ]
      : []),
    ...(hasLabels(telemetry.client.metrics) || hasLabels(telemetry.server.metrics)
      ? [{ writers: writersOf(writesLabels), without: withoutLabels }]
      : []),
  ]
}

const toWriters = (objects: readonly string[], isOfSettings: boolean): readonly string[] => [
  ...new Set([...objects, ...(isOfSettings ? [meshSettings] : [])]),
]

/** In small letters. */
const nameOf = (to: AccessLogger['to']): string => {
  if (to === 'own') return ownProvider
  return to === 'mesh-file' ? meshFile : to.name.toLowerCase()
}

const withSide =
  (side: CallSide, change: (of: TelemetryOfSide) => Partial<TelemetryOfSide>) =>
  (telemetry: TelemetryForProxy): TelemetryForProxy => ({
    ...telemetry,
    [side]: { ...telemetry[side], ...change(telemetry[side]) },
  })

const withoutProvider = (tracing: TracingOfSide): TracingOfSide => {
  const { provider: _leftOut, ...others } = tracing
  return others
}

const writesLabels = ({ metrics }: TelemetrySpec): boolean =>
  metrics.some(({ overrides }) =>
    overrides.some(({ tagOverrides }) => Object.values(tagOverrides).some(({ value }) => value !== undefined)),
  )

const hasLabels = ({ overrides }: MetricsOfSide): boolean =>
  Object.values(overrides).some(({ tags }) => Object.values(tags).some((value) => value !== undefined))

/** In listeners of either side both are counted. */
const withoutLabels = (telemetry: TelemetryForProxy): TelemetryForProxy => {
  const ofSide = ({ metrics, ...others }: TelemetryOfSide): TelemetryOfSide => ({
    ...others,
    metrics: {
      overrides: Object.fromEntries(Object.entries(metrics.overrides).map(([name, each]) => [name, plain(each)])),
    },
  })
  return { client: ofSide(telemetry.client), server: ofSide(telemetry.server) }
}

const plain = ({ disabled, tags }: MetricOverride): MetricOverride => ({
  disabled,
  tags: Object.fromEntries(Object.entries(tags).filter(([, value]) => value === undefined)),
})
