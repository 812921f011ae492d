import { blackHoleUpstream } from '#xds/compile/resource-names.ts'
import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { isPlainHttp, isTls, toAuthority, type SettledCall } from './call.ts'
import type { End, Found, Limit, Step, Stop } from './explanation.ts'
import type { Client } from './facts.ts'
import { findMissingPort, type Callee } from './find-callee.ts'
import { findHandler, type Handler, type Share } from './find-handler.ts'
import { findListener } from './find-listener.ts'
import { findRoute, type TakenRoute } from './find-route.ts'
import { selectChain } from './select-chain.ts'
import { toDeciders, type Served } from './served.ts'
import { findGuards, type Guards } from './find-guards.ts'
import { judgeAtGateway } from './judge-at-gateway.ts'
import { toMarkedRequest } from './read-request.ts'

/** Where a client's own proxy sends calls. */
export interface Outbound {
  /** With what is answered on purpose they make up 1. */
  readonly shares: readonly Share[]
  readonly aborted?: (End & { readonly stop: Stop }) | undefined
  /** Whether it understands them as HTTP. */
  readonly isHttp: boolean
  /** Why it may turn them away all the same. */
  readonly limit?: Limit | undefined
  /** A request as it is sent on to an EnvoyCluster; absent: as it came. */
  readonly forward?: TakenRoute['forward'] | undefined
}

/** What a client's own proxy does with a call, up to the EnvoyClusters that it chooses. */
export const explainOutbound = (
  served: Served,
  client: Client,
  callee: Callee,
  policies: ProxyPolicies | undefined,
): Found<Outbound> => {
  const { call } = callee
  const listener = findListener(served, call, client.entry)
  if (!listener) return { steps: [], stop: refine(toNoListener(client, call), served, callee) }
  const chain = selectChain(listener, {
    address: call.address,
    port: call.port,
    isTls: isTls(call),
    serverName: isTls(call) ? call.host.toLowerCase() : '',
    protocols: toProtocols(call),
  })
  const decidedBy = [...toDeciders(listener.metadata), ...toDeciders(chain?.metadata)]
  if (!chain) return stopWithoutChain(listener, client, call, decidedBy)
  const step: Step = {
    stage: 'listener',
    proxy: client.name,
    text: `${listener.name} takes the connection${call.address === undefined ? '' : ` to ${call.address}:${call.port}`}${toChainText(listener, chain)}`,
    decidedBy,
  }
  const handler = findHandler(chain, served)
  const found = explainHandler(handler, chain, client, call)
  const steps = [step, ...found.steps]
  if (found.stop) return { steps, stop: refine(found.stop, served, callee) }
  const guards = findGuards(listener, chain, handler)
  if (client.entry !== 'gateway' && isUnguarded(guards)) return { steps, value: found.value }
  const told = judgeAtGateway({ proxy: client.name, guards, policies, answer: 'closed' }, { chain, handler, call })
  const all = [...steps, ...told.steps]
  if (told.stop) return { steps: all, stop: told.stop }
  const { forward } = found.value
  return {
    steps: all,
    value: {
      ...found.value,
      ...(forward && { forward: (sent, to) => toMarkedRequest(handler, guards.tokens, forward(sent, to)) }),
      ...(told.value && { limit: told.value }),
    },
  }
}

const isUnguarded = ({ judges, tokens, limits, others }: Guards): boolean =>
  others.length + limits.length === 0 &&
  judges.every(({ rules, trial }) => !rules && !trial) &&
  (tokens?.rules ?? []).length === 0

const toProtocols = ({ scheme }: SettledCall): readonly string[] => {
  if (scheme === 'https') return ['h2', 'http/1.1']
  return scheme === 'http' ? ['http/1.1'] : []
}

const toChainText = ({ defaultFilterChain, filterChains }: Listener, chain: FilterChain): string => {
  if (chain === defaultFilterChain) return ', as no chain of it is for it'
  return filterChains.length > 1 && chain.name !== '' ? ` by chain ${chain.name}` : ''
}

const explainHandler = (handler: Handler, chain: FilterChain, client: Client, call: SettledCall): Found<Outbound> => {
  const terminates = chain.transportSocket !== undefined
  switch (handler.kind) {
    case 'http': {
      const isTunnel = client.entry === 'explicit' && !isPlainHttp(call)
      if (!isTunnel && !isReadable(call, terminates)) return { steps: [], stop: toMismatch(call, handler) }
      const request = {
        ...call,
        ...(isTunnel
          ? { method: 'CONNECT', authority: `${call.host.toLowerCase()}:${call.port}` }
          : { authority: toAuthority(call) }),
        scheme: terminates ? ('https' as const) : ('http' as const),
      }
      const route = findRoute(handler, request, client.name)
      return route.stop ? route : { steps: route.steps, value: { ...route.value, isHttp: !isTunnel } }
    }
    case 'tcp':
      return handler.shares.some(({ xdsCluster }) => xdsCluster === blackHoleUpstream)
        ? { steps: [], stop: toBlocked(call, client) }
        : { steps: [], value: { shares: handler.shares, isHttp: false } }
    case 'sni':
    case 'unknown':
      return {
        steps: [],
        stop: {
          code: 'no-listener',
          text: `What ${client.name} does with connections to port ${call.port} is not for such calls`,
          fix: 'Ask for a port that serves applications.',
          answer: 'closed',
        },
      }
  }
}

const isReadable = ({ scheme }: SettledCall, terminates: boolean): boolean =>
  terminates ? scheme === 'https' : scheme === 'http'

const toMismatch = ({ scheme, port }: SettledCall, { routes }: Extract<Handler, { kind: 'http' }>): Stop => ({
  code: 'protocol-mismatch',
  text: `Port ${port} is HTTP to the proxy (route configuration ${routes}), and the call speaks ${scheme === 'https' ? 'TLS' : scheme}`,
  fix:
    scheme === 'http'
      ? 'Call it by https.'
      : "Call it by http, or name the Service's port for what it speaks: https, tls or tcp (appProtocol, or the beginning of its name).",
  answer: scheme === 'http' ? 'closed' : 400,
})

const toBlocked = ({ host, port }: SettledCall, { name }: Client): Stop => ({
  code: 'blocked-outbound',
  text: `${name} knows no ${host} on port ${port}, and closes what it does not know: its outbound policy is REGISTRY_ONLY`,
  fix: 'Add a ServiceEntry for it, or make outboundTrafficPolicy ALLOW_ANY.',
  answer: 'closed',
})

/** What the mesh knows, and this proxy does not, is kept from it by something. */
const refine = (stop: Stop, served: Served, callee: Callee): Stop => {
  const { hidden, service } = callee
  if (stop.code === 'no-listener') return { ...stop, ...findMissingPort(callee) }
  if (stop.code !== 'blocked-outbound' || !service) return stop
  if (hidden) return { ...stop, ...hidden }
  const [sidecar] = findScope(served)
  if (!sidecar) return stop
  return {
    ...stop,
    code: 'hidden-by-sidecar',
    text: `${sidecar.object} leaves ${service.hostname} out of what its workloads know`,
    fix: `Add ${service.namespace}/${service.hostname} to the hosts of its egress.`,
    decidedBy: [{ ...sidecar, path: 'egress' }],
  }
}

/** The Sidecar objects that listeners say they are scoped by. */
export const findScope = ({ listeners }: Served) =>
  listeners.flatMap(({ metadata }) => toDeciders(metadata)).filter(({ object }) => object.startsWith('Sidecar/'))

const toNoListener = ({ name, entry }: Client, { port }: SettledCall): Stop => ({
  code: 'no-listener',
  text: `${name} does not listen on port ${port}`,
  fix:
    entry === 'gateway'
      ? 'Add a server with this port to a Gateway that selects it.'
      : "Let the mesh's proxyHttpPort be one, or give its Sidecar an egress listener.",
  answer: 'closed',
})

const stopWithoutChain = (
  listener: Listener,
  { name }: Client,
  { host, port }: SettledCall,
  decidedBy: Step['decidedBy'] = [],
): Found<Outbound> => ({
  steps: [],
  stop: {
    code: 'no-listener',
    text: `No chain of ${listener.name} of ${name} is for ${host} on port ${port}`,
    fix: 'Add the host to a server of the Gateway or to a TLS route; a TLS server takes no plaintext.',
    answer: 'closed',
    ...(decidedBy.length > 0 && { decidedBy }),
  },
})
