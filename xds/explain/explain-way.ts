import { passthroughUpstream } from '#xds/compile/resource-names.ts'
import { isPlainHttp } from './call.ts'
import { toJudgedRequest, toSentRequest } from './read-request.ts'
import type { Outbound } from './explain-outbound.ts'
import type { Stop, Way } from './explanation.ts'
import { findMissingPort, type Callee } from './find-callee.ts'
import { findEndpoints, type Target } from './find-endpoints.ts'
import type { Share } from './find-handler.ts'
import { followTargets, type Context } from './follow-targets.ts'
import { plaintext } from './read-transport.ts'
import { toDeciders, type Served } from './served.ts'
import { tellCluster } from './tell-cluster.ts'

/** Follows what an EnvoyCluster takes of the calls, to the applications that answer. */
export const explainWay = async (
  context: Context,
  served: Served,
  { xdsCluster: name, share }: Share,
  { isHttp, forward }: Pick<Outbound, 'isHttp' | 'forward'>,
): Promise<Way> => {
  const { facts, client, callee } = context
  const request = isHttp && forward ? forward(toJudgedRequest(callee.call), name) : toSentRequest(callee.call)
  const xdsCluster = served.xdsClusters.get(name)
  const way = { share, xdsCluster: name }
  const answer = isHttp ? 503 : 'closed'
  const stopAt = (steps: Way['steps'], stop: Stop): Way => ({
    ...way,
    steps,
    ends: [{ share, stop: { ...stop, answer } }],
  })
  if (!xdsCluster) return stopAt([], toMissing(context, served, name))
  const told = tellCluster(xdsCluster, client.name)
  const found = findEndpoints(facts, served, xdsCluster, callee.call, client.name)
  const steps = [told, ...found.steps]
  if (found.stop) return stopAt(steps, found.stop)
  const missing = name === passthroughUpstream ? findMissingPort(callee) : undefined
  const [passedTo] = found.value
  if (missing && passedTo) {
    const rest = await followMissing(context, missing, passedTo, { share, isHttp, answer, request })
    return { ...way, steps: [...steps, ...rest.steps], ends: rest.ends }
  }
  const targets = name === passthroughUpstream ? toUnmanaged(context, found.value) : found.value
  if (targets.length === 0) return stopAt(steps, toNobody(context))
  const rest = await followTargets(context, targets, { share, isHttp, answer, request })
  return { ...way, steps: [...steps, ...rest.steps], ends: rest.ends }
}

/** The endpoints of a service that clients call without any proxy of theirs. */
export const explainDirectly = async (context: Context): Promise<Way> => {
  const targets = toUnmanaged(context, [])
  const way = { share: 1, xdsCluster: undefined, steps: [] }
  const missing = findMissingPort(context.callee)
  const { call } = context.callee
  const manner = { share: 1, isHttp: isPlainHttp(call), answer: 'closed', request: toSentRequest(call) } as const
  if (missing) {
    const passedTo = { address: call.address ?? call.host, port: call.port }
    return { ...way, ...(await followMissing(context, missing, passedTo, manner)) }
  }
  if (targets.length === 0)
    return { ...way, ends: [context.callee.port ? { share: 1, stop: toNobody(context) } : { share: 1 }] }
  return { ...way, ...(await followTargets(context, targets, manner)) }
}

const toNobody = ({ callee: { call, service } }: Context): Stop => ({
  code: 'no-endpoints',
  text: `${service?.hostname ?? call.host} has no endpoints here, and without a proxy that knows it no other network is reached`,
  fix: 'Give the client a sidecar, or see whether pods match the selector of the Service.',
  answer: 'closed',
})

/** Who calls a pod by its own address comes to it at any port: its proxy decides, and then whether the application listens there. */
const followMissing = async (
  context: Context,
  missing: NonNullable<Callee['hidden']>,
  target: Pick<Target, 'address' | 'port'>,
  manner: Parameters<typeof followTargets>[2],
): Promise<Pick<Way, 'steps' | 'ends'>> => {
  const { facts, client, callee } = context
  const { share, answer } = manner
  const passed = `${missing.text}. ${client.entry === 'none' ? 'It goes' : 'It is passed on'} to ${target.address}:${target.port}`
  const stop = { ...missing, text: `${passed}, where nothing of the mesh answers`, answer }
  const all = callee.service && client.entry !== 'explicit' ? facts.endpoints(callee.service.key) : []
  const endpoint = all.find(({ address }) => address === target.address)
  if (!endpoint) return { steps: [], ends: [{ share, stop }] }
  const only = { ...target, priority: 0, weight: 1, isHealthy: true, transport: plaintext, gatewayOf: undefined }
  const { steps, ends } = await followTargets(context, [{ ...only, endpoint }], manner)
  const refused = ends.find((end) => end.stop)?.stop
  if (refused) return { steps, ends: [{ share, stop: { ...stop, text: `${passed}: ${refused.text}` } }] }
  const text = `${passed}, and whether something listens there the mesh does not know`
  return { steps, ends: [{ share, limit: { code: 'not-followed', text, fix: missing.fix } }] }
}

/** What goes to a service's address without being understood comes to one of its endpoints in plaintext. */
const toUnmanaged = ({ facts, callee: { service, port } }: Context, found: readonly Target[]): readonly Target[] => {
  if (!service || !port) return found
  return facts.endpoints(service.key).flatMap((endpoint) => {
    const number = endpoint.ports[port.name]
    const isHealthy = endpoint.health === 'healthy'
    return number === undefined
      ? []
      : {
          address: endpoint.address,
          port: number,
          priority: 0,
          weight: endpoint.weight,
          isHealthy,
          transport: plaintext,
          endpoint,
          gatewayOf: undefined,
        }
  })
}

const toMissing = ({ facts, client, callee }: Context, { xdsClusters }: Served, name: string): Stop => {
  const [, port = '', subset = '', hostname = ''] = name.split('|')
  const known = facts.servicesByHostname(hostname).flatMap((key) => facts.service(key) ?? [])
  const hasPort = known.some(({ ports }) => ports.some(({ number }) => String(number) === port))
  const same = [...xdsClusters.values()].filter((each) => each.name.endsWith(`|${hostname}`))
  const subsets = new Set(same.flatMap((each) => each.name.split('|')[2] || []))
  // Which DestinationRules there are is not asked: a proxy may be served none of one that is not exported to it.
  if (subset !== '' && hasPort && same.length > 0 && !subsets.has(subset))
    return {
      code: 'no-such-subset',
      text: `The route leads to subset ${subset} of ${hostname}, and ${client.name} is served no such subset${subsets.size > 0 ? `; there is ${[...subsets].join(', ')}` : ''}`,
      fix: 'Define the subset in a DestinationRule for the host that is exported to the client, or route to another one.',
      answer: 503,
      decidedBy: [...new Set(same.flatMap(({ metadata }) => toDeciders(metadata).map(({ object }) => object)))]
        .filter((object) => object.startsWith('DestinationRule/'))
        .map((object) => ({ object, path: 'subsets' })),
    }
  return {
    code: 'no-such-cluster',
    text:
      known.length === 0
        ? `The route leads to ${hostname}, which is no service`
        : hasPort
          ? `The route leads to ${hostname}, which ${callee.call.host}'s client is not served`
          : `The route leads to port ${port} of ${hostname}, which has none`,
    fix:
      known.length === 0
        ? 'Mend the host of the destination.'
        : hasPort
          ? "See exportTo, and its Sidecar's hosts."
          : 'Mend the port of the destination.',
    answer: 503,
  }
}
