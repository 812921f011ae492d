import { z } from 'zod'
import type { Configured } from '../config-object.ts'
import { istioNetworking } from './kind-definition.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { findRepeated } from './schema/find-repeated.ts'
import {
  hostFault,
  ipAddressFault,
  isDnsLabel,
  isIpAddress,
  isPartialWildcard,
  isUnixAddress,
  unixAddressFault,
} from './schema/host-names.ts'
import { checked, isUnset, message, optionalText, unheeded, unheededField } from './schema/message.ts'
import { optionalPortNumber, protocolName } from './schema/ports.ts'
import { certificateFieldsOf, cipherSuites, isPassthrough, serverTls } from './schema/server-tls.ts'

const port = message({
  /** 0 or absent with a Unix domain socket. Of the gateway's Service: where that leads to another port, the proxy listens there. */
  number: optionalPortNumber,
  protocol: protocolName,
  name: z.string().min(1, 'is required'),
  targetPort: unheededField(),
})
export type GatewayPort = z.output<typeof port>

const httpProtocols: readonly string[] = ['http', 'http_proxy', 'http2', 'grpc', 'grpc-web']
const tlsProtocols: readonly string[] = ['https', 'tls']

export const isHttpPort = ({ protocol }: GatewayPort): boolean => httpProtocols.includes(protocol.toLowerCase())
export const isTlsPort = ({ protocol }: GatewayPort): boolean => tlsProtocols.includes(protocol.toLowerCase())

const server = checked(
  message({
    port,
    /** Absent: every address of a pod, the WorkloadEntry's address on a machine. */
    bind: optionalText(z.string()),
    /** "<name>" or "<namespace>/<name>" for the VirtualServices of one namespace; "." = the Gateway's own, "*" = every one. */
    hosts: z.array(z.string()).min(1, 'needs a host'),
    tls: serverTls.optional(),
    defaultEndpoint: unheededField(),
    name: optionalText(z.string()),
  }),
  ({
    value: {
      port: { number, ...own },
      bind,
      tls,
    },
    report,
  }) => {
    const isUnix = bind !== undefined && isUnixAddress(bind)
    if (number === undefined && !isUnix) report('is required, unless bind is a Unix domain socket', ['port', 'number'])
    if (number !== undefined && isUnix) report('must be left out with a Unix domain socket', ['port', 'number'])
    const fault = bind === undefined ? undefined : isUnix ? unixAddressFault(bind) : ipAddressFault(bind)
    if (fault !== undefined) report(fault, ['bind'])

    const given: GatewayPort = { number, ...own }
    if (isTlsPort(given) && !tls) report(`is required by protocol ${own.protocol}`, ['tls'])
    if (isTlsPort(given) || !tls) return
    if (!isHttpPort(given)) report('only ports of HTTPS or TLS have TLS settings', ['tls'])
    else if (
      !isPassthrough(tls) ||
      certificateFieldsOf(tls).some((field) => ['caCertificates', 'privateKey', 'serverCertificate'].includes(field))
    )
      report('HTTP in plaintext has no TLS settings but httpsRedirect', ['tls'])
  },
)
export type GatewayServer = z.output<typeof server>

/** Servers of one kind share a port; those of TCP can't. */
export type ServerKind = 'http' | 'tcp' | 'tls'
export const toServerKind = ({ port: own }: GatewayServer): ServerKind =>
  isHttpPort(own) ? 'http' : isTlsPort(own) ? 'tls' : 'tcp'

/** A host of a server; the namespace is that of the VirtualServices that may be for it, undefined = any. */
export interface ServerHost {
  readonly namespace: string | undefined
  readonly host: string
}

/** The hosts of a server whose Gateway is in this namespace. */
export const toServerHosts = (ownNamespace: string, { hosts }: GatewayServer): ServerHost[] =>
  hosts.map((text) => {
    const { namespace, host } = splitServerHost(text)
    return {
      namespace: namespace === '*' ? undefined : namespace === '.' ? ownNamespace : namespace,
      host: host.toLowerCase(),
    }
  })

const splitServerHost = (text: string): { readonly namespace: string; readonly host: string } => {
  const slash = text.indexOf('/')
  return { namespace: slash === -1 ? '*' : text.slice(0, slash), host: text.slice(slash + 1) }
}

/** Istio reference: networking/gateway. */
export const gatewaySpec = message({
  servers: checked(z.array(server).min(1, 'needs a server'), ({ value, report }) => {
    for (const index of findRepeated(value.map((each) => each.port.name)))
      report(`a port "${value[index]?.port.name}" is there already`, [index, 'port', 'name'])
  }),
  /** The labels of the proxies, of any namespace; none = all gateways'. */
  selector: z.record(z.string(), z.string()).optional(),
})
export type GatewaySpec = z.output<typeof gatewaySpec>

/** By which Istio marks what it has made of a Gateway API object: "~" then stands for no namespace. */
const semanticsAnnotation = 'internal.istio.io/gateway-semantics'

const checkHosts = ({ metadata, spec }: Configured<GatewaySpec>, report: Report): void => {
  const takesNone = metadata.annotations?.[semanticsAnnotation] === 'gateway'
  for (const [index, { hosts }] of spec.servers.entries()) {
    for (const [place, text] of hosts.entries()) {
      const fault = serverHostFault(text, takesNone)
      if (fault !== undefined) report(['spec', 'servers', index, 'hosts', place], fault)
    }
  }
}

const serverHostFault = (text: string, takesNone: boolean): string | undefined => {
  const { namespace, host } = splitServerHost(text)
  const isNamespace = ['*', '.', ...(takesNone ? ['~'] : [])].includes(namespace) || isDnsLabel(namespace)
  if (!isNamespace) return `"${namespace}" is not a namespace`
  if (host !== '*' && !host.includes('.') && !isIpAddress(host))
    return `"${host}" is a short name: write the whole host name`
  return isPartialWildcard(host) ? `"${host}": a wildcard stands for a whole label: "*.example.org"` : hostFault(host)
}

type Warn = (path: readonly PropertyKey[], text: string) => void

const warnOfServer = ({ port: own, defaultEndpoint, tls }: GatewayServer, warn: Warn): void => {
  if (!isUnset(own.targetPort)) warn(['port', 'targetPort'], unheeded)
  if (!isUnset(defaultEndpoint)) warn(['defaultEndpoint'], unheeded)
  if (tls) warnOfTls(own, tls, (path, text) => warn(['tls', ...path], text))
}

const warnOfTls = (own: GatewayPort, tls: NonNullable<GatewayServer['tls']>, warn: Warn): void => {
  if (tls.httpsRedirect === true && !isHttpPort(own))
    warn(['httpsRedirect'], 'redirects plaintext HTTP only: on this port it has no effect')
  if (!isTlsPort(own)) return
  if (isPassthrough(tls)) for (const field of certificateFieldsOf(tls)) warn([field], `is not used in mode ${tls.mode}`)
  const suites = tls.cipherSuites ?? []
  for (const [index, suite] of suites.entries()) {
    if (!cipherSuites.includes(suite))
      warn(['cipherSuites', index], `there is no cipher suite ${suite}: it is left out`)
    else if (suites.indexOf(suite) < index) warn(['cipherSuites', index], `${suite} is there already`)
  }
  const oldest = tls.minProtocolVersion
  if ((oldest === 'TLSV1_0' || oldest === 'TLSV1_1') && suites.length === 0)
    warn(['minProtocolVersion'], 'versions before TLS 1.2 need cipherSuites that they have')
}

export const gateway: KindDefinition<GatewaySpec> = {
  ...istioNetworking,
  kind: 'Gateway',
  plural: 'gateways',
  schema: gatewaySpec,
  check(object, report) {
    if (!isDnsLabel(object.metadata.name)) report(['metadata', 'name'], 'must be a DNS label')
    checkHosts(object, report)
    for (const [index, each] of object.spec.servers.entries())
      warnOfServer(each, (path, text) => report(['spec', 'servers', index, ...path], text, { severity: 'warning' }))
  },
}
