import { z } from 'zod'
import type { Configured } from '../config-object.ts'
import { checkExportTo, istioNetworking } from './kind-definition.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { gatewayNames, isForSidecars } from './schema/gateway-names.ts'
import { hostFault, hostsOverlap, isIpAddress, sniFault } from './schema/host-names.ts'
import { httpRoute, type HttpRoute } from './schema/http-route.ts'
import { checked, isUnset, message, unheeded } from './schema/message.ts'
import { tcpRoute } from './schema/tcp-route.ts'
import { sniHostFault, tlsRoute } from './schema/tls-route.ts'
import { findUnreachableMatches } from './unreachable-matches.ts'

/** Each is compared with all others. */
const maxHosts = 1024

const virtualServiceMessage = message({
  /** Whose requests are routed (none: it is delegated to): host names, wildcards ("*" for gateways alone), short names of services in the object's namespace, IP addresses. */
  hosts: z.array(z.string()).max(maxHosts, { abort: true }).default([]),
  gateways: gatewayNames,
  http: z.array(httpRoute).optional(),
  tcp: z.array(tcpRoute).optional(),
  /** For ports of TLS and HTTPS, whose connections are passed on as they are. */
  tls: z.array(tlsRoute).optional(),
  exportTo: z.array(z.string()).optional(),
})

/** Istio reference: networking/virtual-service. */
export const virtualServiceSpec = checked(virtualServiceMessage, ({ value, sound, report }) => {
  if (sound && (value.http?.length ?? 0) + (value.tcp?.length ?? 0) + (value.tls?.length ?? 0) === 0)
    report('needs at least one http, tcp or tls route')
  if (value.hosts.length === 0) checkDelegate(value, report)
  const forSidecars = isForSidecars(value.gateways)
  for (const [index, host] of value.hosts.entries()) {
    const hostFaultOf = !forSidecars && value.tls?.length ? sniFault : hostFault
    const fault = forSidecars && host === '*' ? '"*" is for gateways alone' : hostFaultOf(host)
    const earlier = value.hosts.slice(0, index).find((other) => hostsOverlap(other, host))
    if (fault !== undefined) report(fault, ['hosts', index])
    else if (earlier !== undefined) report(`overlaps with "${earlier}"`, ['hosts', index])
  }
})
export type VirtualServiceSpec = Omit<z.output<typeof virtualServiceSpec>, 'http'> & {
  readonly http?: HttpRoute[] | undefined
}

/** Without hosts it is there to be delegated to. */
const checkDelegate = (
  { gateways, http, tcp, tls }: z.output<typeof virtualServiceMessage>,
  report: (message: string, path: readonly PropertyKey[]) => void,
): void => {
  const refuse = (field: string) => report('is for VirtualServices with hosts alone', [field])
  if (gateways?.length) refuse('gateways')
  if (tcp?.length) refuse('tcp')
  if (tls?.length) refuse('tls')
  for (const [index, { delegate }] of (http ?? []).entries())
    if (delegate)
      report('can only be in a VirtualService with hosts: delegates delegate no further', ['http', index, 'delegate'])
}

const checkSniHosts = ({ spec }: Configured<VirtualServiceSpec>, report: Report): void => {
  for (const [route, { match }] of (spec.tls ?? []).entries()) {
    for (const [place, { sniHosts }] of match.entries()) {
      for (const [index, sniHost] of sniHosts.entries()) {
        const path = ['spec', 'tls', route, 'match', place, 'sniHosts', index]
        const fault = isIpAddress(sniHost) ? undefined : sniHostFault(sniHost, spec.hosts)
        if (fault !== undefined) report(path, fault)
        else if (isIpAddress(sniHost))
          report(path, 'clients of TLS ask for names, hardly any for an address', { severity: 'warning' })
      }
    }
  }
}

export const virtualService: KindDefinition<VirtualServiceSpec> = {
  ...istioNetworking,
  kind: 'VirtualService',
  plural: 'virtualservices',
  schema: virtualServiceSpec,
  check(object, report) {
    checkExportTo(object, report)
    checkSniHosts(object, report)
    for (const [index, route] of (object.spec.http ?? []).entries()) warnOfRoute(route, ['spec', 'http', index], report)
    for (const [route, { match = [] }] of (object.spec.tcp ?? []).entries())
      for (const [index, { sourceSubnet }] of match.entries())
        if (!isUnset(sourceSubnet))
          report(['spec', 'tcp', route, 'match', index, 'sourceSubnet'], unheeded, { severity: 'warning' })
    for (const [protocol, unreachable] of Object.entries(findUnreachableMatches(object.spec))) {
      for (const { route, match, taken } of unreachable) {
        const message = `is never reached: ${protocol}[${taken.route}].match[${taken.match}] takes all of it before`
        report(['spec', protocol, route, 'match', match], message, { severity: 'warning', code: 'unreachable' })
      }
    }
    for (const protocol of ['http', 'tcp'] as const) {
      const routes = object.spec[protocol] ?? []
      const catchAll = routes.findIndex(({ match }) => (match?.length ?? 0) === 0)
      if (catchAll !== -1 && catchAll < routes.length - 1) {
        report(['spec', protocol, catchAll], 'matches everything: the routes after it are never reached', {
          severity: 'warning',
          code: 'unreachable',
        })
      }
    }
  },
}

const warnOfRoute = (route: HttpRoute, path: readonly PropertyKey[], report: Report): void => {
  const warn = (field: readonly PropertyKey[], message: string, code?: 'deprecated') =>
    report([...path, ...field], message, { severity: 'warning', ...(code && { code }) })
  for (const field of ['mirrorPercent', 'mirror_percent'] as const)
    if (route[field] !== undefined) warn([field], 'is deprecated: use mirrorPercentage', 'deprecated')
  const { delay, abort } = route.fault ?? {}
  if (delay?.percent !== undefined) warn(['fault', 'delay', 'percent'], 'is deprecated: use percentage', 'deprecated')
  if (delay && delay.fixedDelay === undefined) warn(['fault', 'delay'], 'delays nothing without a fixedDelay')
  if (abort && abort.httpStatus === undefined && abort.grpcStatus === undefined)
    warn(['fault', 'abort'], 'aborts nothing without an httpStatus or grpcStatus')
}
