import { DownstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import type { FilterChain } from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import type { Answer, Found, Limit, Step, Stop } from './explanation.ts'
import { findHandler, type Handler } from './find-handler.ts'
import { findInboundListener } from './find-listener.ts'
import { findAnswering, findGuards } from './find-guards.ts'
import { toClientAddress } from './read-request.ts'
import { tellPolicy } from './tell-policy.ts'
import type { Transport } from './read-transport.ts'
import { selectChain } from './select-chain.ts'
import { unpack, type Decider, type ServedProxy } from './served.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import type { JudgedCall, JudgedRequest } from '#xds/judge/judged-call.ts'
import { normalisePath } from '#xds/judge/normalise-path.ts'

/** A connection as it comes to a workload. */
export interface Arrival {
  readonly address: string
  readonly port: number
  readonly transport: Pick<Transport, 'kind' | 'sni'> & { readonly alpn: readonly string[] }
  /** Whether what is said inside is HTTP. */
  readonly isHttp: boolean
  /** Whether the bytes are the client's own TLS. */
  readonly isTlsInside: boolean
  /** What the client sees where the connection comes to nothing. */
  readonly answer: Answer
  /** What is known of who calls, and how. */
  readonly caller: Pick<JudgedCall, 'peer' | 'connectedFrom'>
  /** As it comes to the proxy, where it is HTTP. */
  readonly request: JudgedRequest | undefined
}

/** What a workload's own proxy does with what comes to it, and whether it may turn it away all the same. */
export const explainInbound = (
  { served, name: proxy, policies, hasMadeUpAddress = false }: ServedProxy,
  arrival: Arrival,
): Found<Limit | undefined> => {
  const { address, port, transport } = arrival
  const listener = findInboundListener(served, address, port)
  if (!listener) return { steps: [], stop: toClosed(arrival, `${proxy} does not listen on port ${port}`) }
  const isMesh = transport.kind === 'mesh' || transport.kind === 'external'
  const isTls = transport.kind !== 'plaintext' || arrival.isTlsInside
  const chain = selectChain(listener, {
    address,
    port,
    isTls,
    serverName: transport.sni,
    protocols: isTls ? transport.alpn : arrival.isHttp ? ['http/1.1'] : [],
  })
  if (!chain) return { steps: [], stop: toClosed(arrival, `No chain of ${listener.name} takes it`) }
  const terminates = readTls(chain) !== undefined
  const mode = tellMode(policies, port)
  if (terminates && !isMesh)
    return {
      steps: [],
      stop: {
        code: 'plaintext-to-strict',
        text: `${proxy} takes nothing but mesh mTLS on port ${port}, and the call comes ${isTls ? 'with TLS of its own' : 'in plaintext'}`,
        fix: "Give the client a sidecar, take tls.mode DISABLE off its DestinationRule, or let its PeerAuthentication, or the mesh's inbound mTLS where there is none, be permissive.",
        answer: arrival.answer,
        ...mode,
      },
    }
  const handler = findHandler(chain, served)
  if (!terminates && isMesh && handler.kind === 'http')
    return {
      steps: [],
      stop: {
        code: 'tls-to-plaintext',
        text: `${proxy} takes plaintext on port ${port}, and the call comes by mesh mTLS`,
        fix: 'See whether its PeerAuthentication says DISABLE, which clients hear of from its cluster, and whether its port is captured.',
        answer: arrival.answer,
        ...mode,
      },
    }
  if (handler.kind === 'http' && !arrival.isHttp)
    return {
      steps: [],
      stop: {
        code: 'protocol-mismatch',
        text: `${proxy} expects HTTP on port ${port}, and the call is something else`,
        fix: "Name the Service's port for what it speaks (appProtocol, or the beginning of its name).",
        answer: arrival.answer,
      },
    }
  const step: Step = {
    stage: 'inbound',
    proxy,
    text: `${listener.name} takes it on port ${port}${terminates ? ', by mesh mTLS' : isMesh ? ', TLS unopened' : ', in plaintext'}`,
    details: [`goes to ${toInboundText(handler)}`],
    ...mode,
  }
  const found = findGuards(listener, chain, handler)
  const guards = { ...found, others: [...found.others, ...findAnswering(handler)] }
  const { caller, request } = arrival
  const judged: JudgedCall = {
    ...caller,
    peer: terminates ? caller.peer : 'nobody',
    address: hasMadeUpAddress ? undefined : address,
    port,
    serverName: isTls ? transport.sni : '',
    clientAddress: toClientAddress(handler, request, caller.connectedFrom),
    ...(handler.kind === 'http' && { request: toReadRequest(request, handler) }),
  }
  const told = tellPolicy({ proxy, guards, policies, answer: arrival.answer }, judged)
  const steps = [step, ...told.steps]
  return told.stop ? { steps, stop: told.stop } : { steps, value: told.value }
}

/** The PeerAuthentication that says how a port takes connections. */
const tellMode = (policies: ProxyPolicies | undefined, port: number): { readonly decidedBy?: readonly Decider[] } => {
  const own = policies?.peers.ports[port]
  const { object } = own ?? policies?.peers.rest ?? {}
  if (object === undefined) return {}
  return { decidedBy: [{ object, path: own ? `portLevelMtls[${port}]` : 'mtls' }] }
}

/** As rules look at it. */
const toReadRequest = (
  request: JudgedRequest | undefined,
  { paths }: Extract<Handler, { readonly kind: 'http' }>,
): JudgedRequest =>
  request
    ? { ...request, path: request.path === undefined ? undefined : normalisePath(request.path, paths) }
    : { method: undefined, authority: undefined, path: undefined, headers: {}, hasAllHeaders: false, claims: undefined }

const readTls = ({ transportSocket }: FilterChain) =>
  unpack(
    transportSocket?.configType.case === 'typedConfig' ? transportSocket.configType.value : undefined,
    DownstreamTlsContextSchema,
  )

const toClosed = ({ answer }: Arrival, text: string): Stop => ({
  code: 'closed-by-inbound',
  text,
  fix: "Add the port to the workload's Service or, with a Sidecar, to its ingress.",
  answer,
})

const toInboundText = (handler: Handler): string => {
  if (handler.kind === 'http') return `the application, as HTTP (${handler.routes})`
  return handler.kind === 'tcp'
    ? `the application, as TCP (${handler.shares.map(({ xdsCluster }) => xdsCluster).join(', ')})`
    : 'a filter of its own'
}
