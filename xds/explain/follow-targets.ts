import { toSpiffeId, toWorkloadDnsName } from '#mesh/identity.ts'
import type { ClusterName } from '#mesh/names.ts'
import { serviceSniPrefix } from '#xds/compile/resource-names.ts'
import type { JudgedCall, JudgedRequest } from '#xds/judge/judged-call.ts'
import { isPlainHttp, isTls, type SettledCall } from './call.ts'
import { explainInbound, type Arrival } from './explain-inbound.ts'
import type { Answer, End, Limit, Step, Stop } from './explanation.ts'
import type { Client, Facts } from './facts.ts'
import type { Callee } from './find-callee.ts'
import type { Target } from './find-endpoints.ts'
import type { Transport } from './read-transport.ts'
import { findHandler } from './find-handler.ts'
import { findGuards } from './find-guards.ts'
import type { Served, ServedProxy } from './served.ts'
import { toAccessLimit } from './tell-policy.ts'

/** Where workloads' and gateways' proxies are looked up. Undefined = there is none, or it can't be asked. */
export interface Proxies {
  at(target: { readonly cluster: ClusterName; readonly address: string }): Promise<ServedProxy | undefined>
  gatewayOf(cluster: ClusterName): Promise<ServedProxy | undefined>
}

export interface Context {
  readonly facts: Facts
  readonly proxies: Proxies
  readonly client: Client
  readonly callee: Callee
}

interface Manner {
  /** What the targets take together of all calls, out of 1. */
  readonly share: number
  readonly isHttp: boolean
  readonly answer: Answer
  /** As it comes to them, where proxies can read it. */
  readonly request: JudgedRequest | undefined
}

interface Followed {
  readonly steps: readonly Step[]
  readonly stop?: Stop | undefined
  readonly limit?: Limit | undefined
}

/** So many kinds of those that calls may come to are followed; proxies of one kind take calls alike. */
const maxFollowed = 16

/** What comes of calls that are balanced over endpoints: one of each kind is followed for all. */
export const followTargets = async (
  context: Context,
  targets: readonly Target[],
  manner: Manner,
): Promise<{ readonly steps: readonly Step[]; readonly ends: readonly End[] }> => {
  const first = targets.filter(({ isHealthy }) => isHealthy)
  const nearest = Math.min(...first.map(({ priority }) => priority))
  const used = first.length > 0 ? first.filter(({ priority }) => priority === nearest) : targets
  const kinds = [...Map.groupBy(used, toKind).values()].map((all) => ({ all, weight: toSum(all) }))
  const total = toSum(used)
  const steps: Step[] = []
  const ends: End[] = []
  for (const [index, { all, weight }] of kinds.entries()) {
    const [target] = all
    if (!target) continue
    const followed = index < maxFollowed ? await followTarget(context, target, manner) : tooMany
    steps.push(...followed.steps)
    const { stop, limit } = followed
    ends.push({ share: (manner.share * weight) / total, ...(stop && { stop }), ...(limit && { limit }) })
  }
  return { steps, ends }
}

const toSum = (targets: readonly Target[]): number => targets.reduce((sum, { weight }) => sum + weight, 0)

/** Labels that tell pods of one kind apart. */
const ownLabels: readonly string[] = ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index']

/** What endpoints have in common that take calls alike: policies choose by cluster, account and labels. */
const toKind = ({ gatewayOf, endpoint, transport, port }: Target): string => {
  const labels = Object.entries(endpoint?.labels ?? {}).filter(([name]) => !ownLabels.includes(name))
  const { cluster, serviceAccount, tls } = endpoint ?? {}
  return JSON.stringify([
    gatewayOf,
    cluster,
    serviceAccount,
    tls,
    labels.map(([name, value]) => `${name}=${value}`).toSorted(),
    port,
    transport.kind,
  ])
}

const tooMany: Followed = {
  steps: [],
  limit: {
    code: 'not-followed',
    text: `More than ${maxFollowed} kinds of endpoints take the calls, and not all of them were followed`,
    fix: 'Ask for a subset, or as a client that prefers what is near.',
  },
}

const nobody = 'nobody.invalid'

const followTarget = async (context: Context, target: Target, manner: Manner): Promise<Followed> => {
  const { client, callee, facts } = context
  const { transport, endpoint, gatewayOf, port } = target
  const certificates = tellCertificates(context, target)
  if (transport.names.includes(nobody))
    return {
      steps: [certificates],
      stop: {
        code: 'unexpected-certificate',
        text: `${client.name} believes no certificate of ${target.address}`,
        fix: "See what the cluster's agent says of it: a Secret may be missing, or no workload of the service may be known.",
        answer: manner.answer,
      },
    }
  const arrival = toArrival(target, callee.call, manner, toCaller(context, transport))
  if (gatewayOf !== undefined) {
    const passed = await passGateway(context, gatewayOf, arrival)
    return { ...passed, steps: [certificates, ...passed.steps] }
  }
  const isMesh = transport.kind === 'mesh' || transport.kind === 'external'
  if (!endpoint) {
    if (!isMesh) return { steps: [certificates] }
    const text = `${target.address}:${port} is nobody's whose proxy can be asked`
    return notFollowed([certificates], { stage: 'inbound', text })
  }
  if (endpoint.tls === 'none' && !isMesh) {
    const text = `${target.address}:${port} has no sidecar: the application takes what comes`
    return { steps: [certificates, { stage: 'inbound', text }] }
  }
  const arrived = await arrive(
    context,
    { cluster: endpoint.cluster ?? facts.localCluster, address: endpoint.address },
    { ...arrival, port },
  )
  return { ...arrived, steps: [certificates, ...arrived.steps] }
}

/** The step beyond which nothing is known. */
const notFollowed = (steps: readonly Step[], step: Step): Followed => ({
  steps: [...steps, step],
  limit: {
    code: 'not-followed',
    text: `Nothing stops it as far as it can be followed; ${step.text}`,
    fix: 'See "atoll proxies" for whose proxies are connected; files know nothing of other networks.',
  },
})

/** Who calls, as it shows itself: of what a gateway sends on nothing but the gateway's name is known. */
const toCaller = ({ facts, client, callee }: Context, { kind, showsIdentity }: Transport): Arrival['caller'] => ({
  peer: kind === 'plaintext' || !showsIdentity ? 'nobody' : toPeer(facts, client),
  connectedFrom: client.entry === 'gateway' ? undefined : callee.call.sourceAddress,
})

const toPeer = (facts: Facts, client: Client): JudgedCall['peer'] => {
  const { namespace, serviceAccount, cluster } = client
  if (serviceAccount === undefined) return undefined
  const { trustDomain } = facts.settings()
  const identity = { namespace, serviceAccount }
  return {
    spiffeId: toSpiffeId(trustDomain, identity),
    dnsName: cluster && toWorkloadDnsName(identity, cluster, trustDomain),
  }
}

const toArrival = (
  { address, port, transport }: Target,
  call: SettledCall,
  { isHttp, answer, request }: Manner,
  caller: Arrival['caller'],
): Arrival => {
  const isOwnTls = isTls(call) && !isHttp
  const ownAlpn = call.scheme === 'https' ? ['h2', 'http/1.1'] : []
  return {
    address,
    port,
    transport:
      transport.kind === 'plaintext' && isOwnTls
        ? { ...transport, sni: call.host, alpn: ownAlpn }
        : { ...transport, alpn: isHttp ? transport.alpn.http : transport.alpn.others },
    isHttp: isHttp || isPlainHttp(call),
    isTlsInside: isOwnTls,
    answer,
    caller,
    request,
  }
}

const tellCertificates = ({ facts, client, callee }: Context, { transport, address, endpoint }: Target): Step => {
  const { kind, names, sni } = transport
  const proxy = client.name
  const demanded = names.length === 0 ? 'whoever answers' : names.join(' or ')
  switch (kind) {
    case 'plaintext': {
      const why = endpoint?.tls === 'none' ? ': there is no sidecar' : ''
      return {
        stage: 'certificates',
        ...(client.entry !== 'none' && { proxy }),
        text: `plaintext to ${address}${isTls(callee.call) ? ", with the client's own TLS inside" : ''}${why}`,
      }
    }
    case 'mesh':
    case 'external': {
      const { namespace, serviceAccount } = client
      const { trustDomain } = facts.settings()
      const own =
        serviceAccount === undefined ? 'its own certificate' : toSpiffeId(trustDomain, { namespace, serviceAccount })
      return {
        stage: 'certificates',
        proxy,
        text: `mesh mTLS to ${address}: shows ${own}`,
        details: [
          `believes ${demanded}`,
          ...(sni === '' ? [] : [`asks for ${sni}`]),
          ...(isTls(callee.call) && client.entry !== 'gateway' ? ["with the client's own TLS inside"] : []),
        ],
      }
    }
    case 'originated':
      return {
        stage: 'certificates',
        proxy,
        text: `TLS to ${address}${sni === '' ? '' : `, for ${sni}`}`,
        details: [
          names.length === 0 ? 'believes what the authorities of its settings vouch for' : `believes ${demanded}`,
        ],
      }
  }
}

/** Over the east-west gateway of another network, which reads nothing but the SNI. */
const passGateway = async (context: Context, cluster: ClusterName, arrival: Arrival): Promise<Followed> => {
  const gateway = await context.proxies.gatewayOf(cluster)
  const { sni } = arrival.transport
  const via = `over the gateway of ${cluster} at ${arrival.address}:${arrival.port}`
  if (!gateway) return notFollowed([], { stage: 'gateway', text: `${via}: no proxy there can be asked` })
  const xdsCluster = sni.startsWith(serviceSniPrefix) ? gateway.served.xdsClusters.get(sni) : undefined
  const { endpoints = [] } = gateway.served.assignments.get(sni) ?? {}
  const targets = endpoints
    .flatMap(({ lbEndpoints }) => lbEndpoints)
    .flatMap(({ hostIdentifier }) => {
      const where = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined
      if (where?.case !== 'socketAddress' || where.value.portSpecifier.case !== 'portValue') return []
      return { address: where.value.address, port: where.value.portSpecifier.value }
    })
  const [target] = targets
  if (!xdsCluster || !target)
    return {
      steps: [],
      stop: {
        code: 'not-behind-gateway',
        text: `${gateway.name} in ${cluster} passes nothing on to ${sni}: ${xdsCluster ? 'it has no endpoints there' : 'no such service is there, or it is not exported'}`,
        fix: `See "atoll services" for what ${cluster} offers, and its exportTo.`,
        answer: arrival.answer,
      },
    }
  const step: Step = {
    stage: 'gateway',
    proxy: gateway.name,
    text: `${via}: passes it on unopened to ${targets.length} endpoint${targets.length === 1 ? '' : 's'} by its SNI`,
  }
  const limit = toAccessLimit({ others: findGatewayGuards(gateway.served), limits: [] }, gateway.name)
  const arrived = await arrive(context, { cluster, address: target.address }, { ...arrival, ...target })
  return {
    steps: [
      step,
      ...(limit ? [{ stage: 'policy' as const, proxy: gateway.name, text: limit.text }] : []),
      ...arrived.steps,
    ],
    stop: arrived.stop,
    limit: limit ?? arrived.limit,
  }
}

const findGatewayGuards = (served: Served): readonly string[] =>
  served.listeners.flatMap((listener) =>
    listener.filterChains.flatMap((chain) => {
      const handler = findHandler(chain, served)
      if (handler.kind !== 'sni') return []
      const { judges, limits, others } = findGuards(listener, chain, handler)
      return [...others, ...limits, ...(judges.length > 0 ? ['envoy.filters.network.rbac'] : [])]
    }),
  )

const arrive = async (
  { proxies }: Context,
  place: { readonly cluster: ClusterName; readonly address: string },
  arrival: Arrival,
): Promise<Followed> => {
  const server = await proxies.at(place)
  if (!server) {
    const text = `${arrival.address}:${arrival.port} in ${place.cluster} has no proxy that can be asked`
    return notFollowed([], { stage: 'inbound', text })
  }
  const found = explainInbound(server, arrival)
  return found.stop ? found : { steps: found.steps, limit: found.value }
}
