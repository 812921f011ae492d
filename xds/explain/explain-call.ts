import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import type { Call } from './call.ts'
import { explainDirectly, explainWay } from './explain-way.ts'
import { explainOutbound } from './explain-outbound.ts'
import type { End, Explanation, Limit, Step, Stop, Way } from './explanation.ts'
import type { Client, Facts } from './facts.ts'
import { findCallee, type Callee } from './find-callee.ts'
import type { Proxies } from './follow-targets.ts'
import type { Served } from './served.ts'
import { toNotReachable, toVerdict } from './to-verdict.ts'

/** Who asks whom for what, and where to find out about it. */
export interface Question {
  readonly facts: Facts
  readonly client: Client
  /** What the client's own proxy is served; undefined = it has none. */
  readonly served: Served | undefined
  /** Who says what its filters ask; absent = not known. */
  readonly policies?: ProxyPolicies | undefined
  readonly proxies: Proxies
  readonly call: Call
}

/** Follows a call from the name that a client writes to the applications that answer it, or to what stops it. */
export const explainCall = async ({
  facts,
  client,
  served,
  policies,
  proxies,
  call,
}: Question): Promise<Explanation> => {
  // A gateway's clients resolve it, whatever host they ask it for.
  const named = client.entry === 'gateway' ? settleForGateway(call) : findCallee(facts, client, call)
  if (named.stop) return stopAll(named.steps, named.stop)
  const callee = named.value
  const context = { facts, proxies, client, callee }
  if (!served) {
    const ways = [await explainDirectly(context)]
    return { steps: named.steps, ways, verdict: toVerdict(ways, callee, undefined) }
  }
  const outbound = explainOutbound(served, client, callee, policies)
  const steps = [...named.steps, ...outbound.steps]
  if (outbound.stop) return stopAll(steps, outbound.stop)
  const { shares, aborted, limit } = outbound.value
  const ways: Way[] = aborted ? [{ share: aborted.share, xdsCluster: undefined, steps: [], ends: [aborted] }] : []
  for (const share of shares) ways.push(await explainWay(context, served, share, outbound.value))
  const limited = limit ? ways.map((way) => ({ ...way, ends: way.ends.map((end) => toLimited(end, limit)) })) : ways
  return { steps, ways: limited, verdict: toVerdict(limited, callee, served) }
}

const settleForGateway = (call: Call) => {
  const scheme = call.scheme ?? 'http'
  const port = call.port ?? (scheme === 'http' ? 80 : 443)
  const value: Callee = {
    call: { ...call, scheme, port, address: undefined },
    service: undefined,
    port: undefined,
    hidden: undefined,
  }
  return { steps: [] as readonly Step[], value, stop: undefined }
}

const stopAll = (steps: readonly Step[], stop: Stop): Explanation => ({
  steps,
  ways: [],
  verdict: toNotReachable(stop),
})

/** Whoever may be turned away before is not known to arrive. */
const toLimited = (end: End, limit: Limit): End => (end.stop ? end : { ...end, limit })
