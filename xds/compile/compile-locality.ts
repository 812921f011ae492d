import type { LocalityLbSetting } from '#mesh/config/schema/locality.ts'
import { networkLabel } from '#mesh/kubernetes/conventions.ts'
import type { Service } from '#mesh/service.ts'
import { nodeLabel, topologyLabels, toOwnLabels, toPlaceLabel, type Place } from '#mesh/topology.ts'
import type { EffectivePolicy } from './compile-traffic-policy.ts'

/** Which endpoints a client prefers by where they are. */
export type LocalityPreference =
  /** The nearest first. */
  | {
      readonly kind: 'failover'
      readonly client: Place
      readonly labels: readonly string[]
      readonly regions: NonNullable<LocalityLbSetting['failover']>
    }
  /** Shares of the traffic by patterns of localities; endpoints that no pattern has get nothing. */
  | { readonly kind: 'distribute'; readonly shares: readonly (readonly [pattern: string, share: number])[] }

/**
 * Istio reference: LocalityLoadBalancerSetting; but failover does not need outlier detection:
 * endpoints that are not healthy, and gateways that probes find dead, are not among those that a proxy is given. So a rule that asks for it
 * has it, and detection alone switches it on as in Istio.
 */
export const compileLocality = (
  { loadBalancer, outlierDetection }: Pick<EffectivePolicy, 'loadBalancer' | 'outlierDetection'>,
  client: Place,
): LocalityPreference | undefined => {
  const { enabled, distribute = [], failover: regions = [], failoverPriority: labels = [] } = toSetting(loadBalancer)
  if (enabled === false) return undefined
  if (distribute.length > 0) {
    const own = distribute.find(({ from }) => matchesLocality(client.locality, from))
    return own && { kind: 'distribute', shares: Object.entries(own.to) }
  }
  const isAsked = enabled === true || regions.length > 0 || labels.length > 0
  const isKnown = client.locality !== '' || labels.length > 0
  return isKnown && (isAsked || outlierDetection) ? { kind: 'failover', client, labels, regions } : undefined
}

/** The policy, and what the service itself says where the policy says nothing of localities. Kubernetes: Service.trafficDistribution. */
export const withDistribution = <Policy extends Pick<EffectivePolicy, 'loadBalancer'>>(
  policy: Policy,
  { trafficDistribution }: Pick<Service, 'trafficDistribution'>,
): Policy =>
  trafficDistribution === undefined || policy.loadBalancer?.localityLbSetting
    ? policy
    : {
        ...policy,
        loadBalancer: {
          ...policy.loadBalancer,
          localityLbSetting: { enabled: true, failoverPriority: [...distributionLabels[trafficDistribution]] },
        },
      }

const sameZone = [topologyLabels.network, topologyLabels.region, topologyLabels.zone] as const
const distributionLabels = {
  PreferSameZone: sameZone,
  PreferSameNode: [...sameZone, topologyLabels.subzone, nodeLabel],
} as const

/** What of a client such policies depend on: whether on its locality, and on which of its labels. */
export const toLocalityInterest = (
  policies: readonly Pick<EffectivePolicy, 'loadBalancer' | 'outlierDetection'>[],
): { readonly locality: boolean; readonly labels: ReadonlySet<string> } => {
  const used = policies.filter(({ loadBalancer }) => toSetting(loadBalancer).enabled !== false)
  const settings = used.map(({ loadBalancer }) => toSetting(loadBalancer))
  return {
    locality:
      used.some(({ outlierDetection }) => outlierDetection) || settings.some((each) => Object.keys(each).length),
    labels: new Set(settings.flatMap(({ failoverPriority = [] }) => toOwnLabels(failoverPriority))),
  }
}

const toSetting = (loadBalancer: EffectivePolicy['loadBalancer']): LocalityLbSetting =>
  loadBalancer?.localityLbSetting ?? {}

const isAny = (part: string | undefined): boolean => part === undefined || part === '' || part === '*'

export const matchesLocality = (locality: string, pattern: string): boolean => {
  const [region = '', zone = '', subzone = ''] = locality.split('/')
  const [wantedRegion, wantedZone, wantedSubzone] = pattern.split('/')
  return (
    (wantedRegion === '*' || wantedRegion === region) &&
    (isAny(wantedZone) || wantedZone === zone) &&
    (isAny(wantedSubzone) || wantedSubzone === subzone)
  )
}

/** The same for clients on this node. */
export const toPreferenceOn = <Preference extends LocalityPreference | undefined>(
  preference: Preference,
  node: string,
): Preference =>
  preference?.kind === 'failover' ? { ...preference, client: { ...preference.client, node } } : preference

/** How far a place is from the client: 0 is nearest; the numbers have gaps. */
export const toDistance = (
  { client, labels, regions }: Extract<LocalityPreference, { kind: 'failover' }>,
  place: Place,
): number => {
  if (labels.length === 0) return toLocalityDistance(client.locality, place.locality, regions)
  const byLabels = toLabelDistance(client, place, labels)
  if (regions.length === 0) return byLabels
  return byLabels * distances + toLocalityDistance(client.locality, place.locality, regions)
}

/** The same subzone, zone, region, the region that is to take over, any other. */
const distances = 5

const toLocalityDistance = (client: string, locality: string, regions: NonNullable<LocalityLbSetting['failover']>) => {
  const parts = locality.split('/')
  const ownParts = client.split('/')
  const different = [0, 1, 2].find((index) => (ownParts[index] ?? '') !== (parts[index] ?? ''))
  if (different !== 0) return different === undefined ? 0 : 3 - different
  const successor = regions.find(({ from }) => from === ownParts[0])
  return successor && successor.to !== parts[0] ? 4 : 3
}

/**
 * The later the first label that differs, the nearer. A network that comes first is not compared but put in front: all of another
 * network is farther than all of the client's own (Istio: failoverPriority with topology.istio.io/network).
 */
const toLabelDistance = (client: Place, place: Place, entries: readonly string[]): number => {
  const differs = (entry: string) => {
    const [label = '', value] = entry.split('=')
    return (value ?? toPlaceLabel(client, label)) !== toPlaceLabel(place, label)
  }
  const isByNetwork = entries[0] === networkLabel
  const first = entries.findIndex((entry, index) => !(isByNetwork && index === 0) && differs(entry))
  const beyond = isByNetwork && differs(networkLabel) ? entries.length : 0
  return beyond + (first === -1 ? 0 : entries.length - first)
}
