import { z } from 'zod'
import type { Configured } from '../config-object.ts'
import { checkExportTo, istioNetworking } from './kind-definition.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { parseCredentialKey, toCredentialKey } from './schema/credential-name.ts'
import { subsetName } from './schema/destination.ts'
import { findRepeated } from './schema/find-repeated.ts'
import { hostPattern } from './schema/host-names.ts'
import { labels, matchLabelsSelector } from './schema/labels.ts'
import { checked, message } from './schema/message.ts'
import { trafficPolicy, type TrafficPolicy } from './schema/traffic-policy.ts'

const subset = message({
  name: subsetName,
  labels: labels.optional(),
  trafficPolicy: trafficPolicy.optional(),
})
export type Subset = z.output<typeof subset>

/** Istio reference: networking/destination-rule. */
export const destinationRuleSpec = message({
  /** A short name means the service of that name in the object's own namespace. */
  host: hostPattern,
  trafficPolicy: trafficPolicy.optional(),
  subsets: checked(z.array(subset), ({ value, report }) => {
    for (const index of findRepeated(value.map(({ name }) => name)))
      report(`there is a subset "${value[index]?.name}" already`, [index, 'name'])
  }).optional(),
  exportTo: z.array(z.string()).optional(),
  /** The clients of its own namespace that it is for. */
  workloadSelector: matchLabelsSelector.optional(),
})
export type DestinationRuleSpec = z.output<typeof destinationRuleSpec>

type Path = readonly PropertyKey[]
type Level = Pick<TrafficPolicy, 'loadBalancer' | 'outlierDetection' | 'tls'>

/** Where a policy is. */
interface Place {
  readonly path: Path
  /** The namespace in which its rule selects clients; undefined = it leaves open who they are. */
  readonly selectsIn: string | undefined
}

/** What Istio takes, and nothing follows from. */
const warnOfLevel = (
  { loadBalancer, outlierDetection, tls }: Level,
  { path, selectsIn }: Place,
  report: Report,
): void => {
  const warn = (place: Path, message: string, code?: 'deprecated') =>
    report([...path, ...place], message, { severity: 'warning', ...(code && { code }) })
  if (outlierDetection?.consecutiveErrors)
    warn(
      ['outlierDetection', 'consecutiveErrors'],
      'has no effect: use consecutiveGatewayErrors or consecutive5xxErrors',
    )
  if (loadBalancer?.consistentHash?.minimumRingSize)
    warn(['loadBalancer', 'consistentHash', 'minimumRingSize'], 'is deprecated: use ringHash', 'deprecated')
  const ramps = ['LEAST_REQUEST', 'LEAST_CONN', 'ROUND_ROBIN', 'UNSPECIFIED', undefined]
  if (loadBalancer && (loadBalancer.consistentHash || !ramps.includes(loadBalancer.simple))) {
    const field = loadBalancer.warmup ? 'warmup' : 'warmupDurationSecs'
    if (loadBalancer[field]) warn(['loadBalancer', field], 'has an effect with ROUND_ROBIN and LEAST_REQUEST only')
  }
  if (tls?.mode === 'ISTIO_MUTUAL' && tls.insecureSkipVerify)
    warn(['tls', 'insecureSkipVerify'], 'has no effect: proxies of the mesh are verified always')
  if (tls?.credentialName === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return
  const place = ['tls', 'credentialName']
  if (selectsIn === undefined)
    warn(
      place,
      'is for gateways, and for sidecars that a workloadSelector selects: others are given no Secret, and believe no server',
    )
  else if (parseCredentialKey(toCredentialKey(tls.credentialName, selectsIn)).namespace !== selectsIn)
    warn(place, 'is of another namespace: clients are given Secrets of their own alone, and believe no server')
}

const warnOfPolicy = (policy: TrafficPolicy | undefined, place: Place, report: Report): void => {
  if (!policy) return
  const { path } = place
  const { portLevelSettings = [] } = policy
  warnOfLevel(policy, place, report)
  for (const [index, settings] of portLevelSettings.entries())
    warnOfLevel(settings, { ...place, path: [...path, 'portLevelSettings', index] }, report)
  for (const index of findRepeated(portLevelSettings.map(({ port }) => port.number)))
    report([...path, 'portLevelSettings', index], 'has no effect: there are settings for its port before', {
      severity: 'warning',
    })
}

/** Istio's validation (validateExportTo, validateWorkloadSelector). */
const checkSelector = ({ metadata, spec }: Configured<DestinationRuleSpec>, report: Report): void => {
  if (!spec.workloadSelector) return
  if (Object.keys(spec.workloadSelector.matchLabels ?? {}).length === 0)
    report(['spec', 'workloadSelector'], 'selects every workload of the namespace', { severity: 'warning' })
  for (const [index, namespace] of (spec.exportTo ?? []).entries())
    if (namespace !== '.' && namespace !== metadata.namespace)
      report(['spec', 'exportTo', index], 'a rule with a workloadSelector is for its own namespace alone')
}

export const destinationRule: KindDefinition<DestinationRuleSpec> = {
  ...istioNetworking,
  kind: 'DestinationRule',
  plural: 'destinationrules',
  schema: destinationRuleSpec,
  check(object, report) {
    checkExportTo(object, report)
    checkSelector(object, report)
    const { trafficPolicy: policy, subsets = [], workloadSelector } = object.spec
    const selectsIn = workloadSelector && object.metadata.namespace
    warnOfPolicy(policy, { path: ['spec', 'trafficPolicy'], selectsIn }, report)
    for (const [index, each] of subsets.entries())
      warnOfPolicy(each.trafficPolicy, { path: ['spec', 'subsets', index, 'trafficPolicy'], selectsIn }, report)
  },
}
