import { isReservedLabel, toLabelName } from '../config/schema/metric-label.ts'
import { toServiceLabels } from './called-service.ts'
import { toPartyLabels, toSides, type Party } from './party.ts'
import { unknownFact } from './peer-facts.ts'
import { standardLabels, type StandardLabel } from './standard-metrics.ts'

/**
 * The tags with which a proxy counts: less than Istio's labels, from which the agent makes those. Custom tags have other names, which the
 * prefix keeps apart.
 */
export const metricTags = {
  /** `source` or `destination`. */
  reporter: 'reporter',
  /** `http`, `grpc` or `tcp`. */
  protocol: 'protocol',
  /** What an EnvoyCluster says of its service. */
  service: 'service',
  code: 'code',
  grpcStatus: 'grpc',
  flags: 'flags',
  /** Of the other side's certificate. */
  peerSubject: 'subject',
  peerUriNames: 'uris',
  peerDnsNames: 'names',
  /** Labels that are not wanted, with commas between. */
  without: 'without',
} as const

/** What the names of the statistics begin with that a proxy pushes to its agent. */
export const pushedStatistics = {
  /** Of the standard metrics. */
  standard: 'istio.',
  /** Counts from when a proxy has its listeners: so that its agent knows its process before that has counted anything. */
  alive: 'listener_manager.lds.update_success',
  /** Of series that there was no room for. */
  overflow: 'server.stats_overflow',
  /** Of records of access logs that the agent did not get. */
  accessLogs: 'access_logs.',
} as const

/** Begins the names of custom tags. */
export const customTagPrefix = 'custom.'

/** The label that a tag alone tells: without it the tag need not be counted by. */
export const tagOfLabel: Partial<Record<StandardLabel, keyof typeof metricTags>> = {
  response_code: 'code',
  grpc_response_status: 'grpcStatus',
  response_flags: 'flags',
}

/**
 * The labels of one series: a standard metric that a proxy counted with these tags. `own` is who the proxy is, by its token. Sorted by name;
 * a label that would say nothing is left out. Who the proxy itself is no custom tag can say.
 */
export const toMetricLabels = (
  tags: ReadonlyMap<string, string>,
  own: Party,
): readonly (readonly [label: string, value: string])[] => {
  const read = (tag: keyof typeof metricTags): string => tags.get(metricTags[tag]) ?? ''
  const isSource = read('reporter') === 'source'
  const protocol = read('protocol')
  const peer = { subject: read('peerSubject'), uriNames: read('peerUriNames'), dnsNames: read('peerDnsNames') }
  const sides = toSides(peer, own, isSource)
  const labels: Partial<Record<StandardLabel, string>> = {
    reporter: read('reporter'),
    ...sides.labels,
    ...toServiceLabels(read('service')),
    request_protocol: protocol,
    ...(protocol !== 'tcp' && { response_code: read('code'), grpc_response_status: toGrpcStatus(read('grpcStatus')) }),
    response_flags: read('flags') || '-',
    connection_security_policy: sides.securityPolicy ?? unknownFact,
  }
  const without = new Set(read('without').split(','))
  const ofOwn = new Set(['reporter', ...Object.keys(toPartyLabels(isSource ? 'source' : 'destination', own))])
  const custom = [...tags].flatMap(([tag, value]) => {
    const label = tag.startsWith(customTagPrefix) ? toLabelName(tag.slice(customTagPrefix.length)) : undefined
    return label === undefined || ofOwn.has(label) || isReservedLabel(label) ? [] : [[label, value] as const]
  })
  const standard = standardLabels.flatMap((label) => {
    const value = labels[label]
    return value === undefined || without.has(label) ? [] : [[label, value] as const]
  })
  return [...new Map([...standard, ...custom])].sort(([left], [right]) => (left < right ? -1 : 1))
}

/** Envoy writes "-" for none, Istio nothing. */
const toGrpcStatus = (status: string): string => (status === '-' ? '' : status)
