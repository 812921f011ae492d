import type { LogFilters, TraceFilters } from '#api/schemas/telemetry.ts'
import type { WordGroup } from '../records/index-words.ts'
import type { Condition } from './conditions.ts'

const between = (field: string, least?: number, most?: number): Condition[] =>
  least === undefined && most === undefined ? [] : [{ kind: 'between', field, least, most }]

const toCodeCondition = (code: string): Condition[] => {
  const least = code.endsWith('xx') ? Number(code[0]) * 100 : Number(code)
  return between('response_code', least, code.endsWith('xx') ? least + 99 : least)
}

type ServiceSide = 'source' | 'destination'

const serviceFields: Readonly<Record<ServiceSide, readonly string[]>> = {
  source: ['source_canonical_service'],
  destination: ['destination_service', 'destination_service_name', 'destination_canonical_service'],
}

const word = (group: WordGroup, fields: readonly string[], value: string): Condition => ({
  kind: 'word',
  group,
  fields,
  value,
})

/** Of a name with its namespace, as metrics show it ("reviews.shop"): these fields have the two. */
const inNamespace = (serviceField: string, namespaceField: string, value: string): Condition[] => {
  const [, name, namespace] = /^([^.]+)\.([^.]+)$/.exec(value) ?? []
  return name === undefined || namespace === undefined
    ? []
    : [{ kind: 'all', of: [word('service', [serviceField], name), word('namespace', [namespaceField], namespace)] }]
}

/** A service of one side: by its short name, with its namespace, or by its host name. */
const toServiceConditions = (side: ServiceSide, value: string): Condition[] => [
  word('service', serviceFields[side], value),
  ...(side === 'destination' ? inNamespace('destination_service_name', 'destination_service_namespace', value) : []),
  ...inNamespace(`${side}_canonical_service`, `${side}_workload_namespace`, value),
]

const toSideCondition = (side: ServiceSide, value: string): Condition => ({
  kind: 'any',
  of: [...toServiceConditions(side, value), word('workload', [`${side}_workload`], value)],
})

const toServiceCondition = (value: string): Condition => ({
  kind: 'any',
  of: [
    ...toServiceConditions('source', value),
    ...toServiceConditions('destination', value),
    word('service', ['service'], value),
  ],
})

/** What of access log records a search is about. */
export const toLogConditions = (filters: LogFilters): Condition[] => {
  const { service, source, destination, workload, namespace, principal, trace } = filters
  const { security, reporter, protocol, code, flag, minLatencyMs, maxLatencyMs, method, path } = filters
  const conditions: Condition[] = []
  if (trace !== undefined) conditions.push({ kind: 'word', group: 'trace', value: trace })
  if (service !== undefined) conditions.push(toServiceCondition(service))
  if (source !== undefined) conditions.push(toSideCondition('source', source))
  if (destination !== undefined) conditions.push(toSideCondition('destination', destination))
  if (workload !== undefined) conditions.push({ kind: 'word', group: 'workload', value: workload })
  if (namespace !== undefined) conditions.push({ kind: 'word', group: 'namespace', value: namespace })
  if (principal !== undefined) conditions.push({ kind: 'word', group: 'principal', value: principal })
  if (security !== undefined) conditions.push({ kind: 'equals', field: 'connection_security_policy', value: security })
  if (reporter !== undefined) conditions.push({ kind: 'equals', field: 'reporter', value: reporter })
  if (protocol !== undefined) conditions.push({ kind: 'equals', field: 'request_protocol', value: protocol })
  if (code !== undefined) conditions.push(...toCodeCondition(code))
  if (flag !== undefined) conditions.push({ kind: 'listed', field: 'response_flags', value: flag })
  conditions.push(...between('duration_us', toMicroseconds(minLatencyMs), toMicroseconds(maxLatencyMs)))
  if (method !== undefined) conditions.push({ kind: 'equals', field: 'method', value: method })
  if (path !== undefined) conditions.push({ kind: 'prefix', field: 'path', value: path })
  conditions.push(...toPolicyConditions(filters))
  return conditions
}

/** Where records tell of policies, what is before the rule's name, and how all begin. */
const policyFields = {
  denied: { field: 'policy_verdict', before: 'denied:', any: 'denied:' },
  trial: { field: 'policy_trial', before: 'denied:', any: 'denied:' },
  audit: { field: 'policy_audit', before: '', any: 'ns[' },
} as const

const toPolicyConditions = ({ verdict, policy }: LogFilters): Condition[] => {
  if (verdict === undefined && policy === undefined) return []
  const [, namespace = '', name = ''] = /^(.+)\/(.+)$/.exec(policy ?? '') ?? []
  const rule = `ns[${namespace}]-policy[${name}]-`
  const told = verdict === undefined ? Object.values(policyFields) : [policyFields[verdict]]
  const of = told.map(({ field, before, any }) => ({
    kind: 'prefix' as const,
    field,
    value: policy === undefined ? any : before + rule,
  }))
  return [{ kind: 'any', of }]
}

const toMicroseconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms * 1000)

/** What of spans a search for traces is about. */
export const toSpanConditions = ({ service, minDurationMs, error }: TraceFilters): Condition[] => [
  ...(service === undefined
    ? []
    : [
        {
          kind: 'any',
          of: [word('service', ['service'], service), ...inNamespace('service', 'namespace', service)],
        } as const,
      ]),
  ...between('duration_us', toMicroseconds(minDurationMs)),
  ...(error === undefined ? [] : [{ kind: 'equals', field: 'status', value: 'error' } as const]),
]

/** … and what of access log records, which are spans too: as toMeshSpan sees them. */
export const toSpanRecordConditions = ({ service, minDurationMs, error }: TraceFilters): Condition[] => [
  ...toLogConditions({ service, minLatencyMs: minDurationMs }),
  ...(error === undefined
    ? []
    : [
        {
          kind: 'any',
          of: [
            ...between('response_code', 500),
            ...between('response_code', 0, 0),
            ...between('grpc_response_status', 1),
          ],
        } as const,
      ]),
]
