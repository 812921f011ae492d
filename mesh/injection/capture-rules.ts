import {
  appMetricsPort,
  inboundCapturePort,
  outboundCapturePort,
  proxyHealthPort,
  proxyUser,
} from '../kubernetes/conventions.ts'
import type { AddressFamily, AddressRange, CaptureSettings } from './capture-settings.ts'

interface Family {
  readonly name: AddressFamily
  readonly command: string
  readonly loopback: string
  /** What the proxy sends to its application from here comes from elsewhere: it was captured once already. */
  readonly passthroughSource: string
}

const ipv4: Family = { name: 'ipv4', command: 'iptables', loopback: '127.0.0.1/32', passthroughSource: '127.0.0.6/32' }
const ipv6: Family = { name: 'ipv6', command: 'ip6tables', loopback: '::1/128', passthroughSource: '::6/128' }

/** The pod's own ports for health, its application's metrics and Envoy's (Istio's numbers): what asks there has no mesh certificate. */
const uncapturedPorts = [proxyHealthPort, appMetricsPort, 15_090]

const chains = ['ISTIO_REDIRECT', 'ISTIO_IN_REDIRECT', 'ISTIO_INBOUND', 'ISTIO_OUTPUT']

/** Rules in our own chains, and from where packets come to them: Istio's, so that people who know those find their way. */
const jumps = ['PREROUTING -p tcp -j ISTIO_INBOUND', 'OUTPUT -p tcp -j ISTIO_OUTPUT']

/**
 * A script for `sh -e`, run as root with NET_ADMIN in a pod's network before its containers start: Istio's REDIRECT rules. It may run
 * again: chains are replaced at once (`iptables-restore` with `--noflush`), and what others have in the table stays. IPv6 is left
 * out where no interface but the loopback has such an address.
 */
export const buildCaptureScript = (settings: CaptureSettings): string =>
  [
    ...toCommands(ipv4, settings),
    "if grep -qv ' lo$' /proc/net/if_inet6 2>/dev/null; then",
    ...toCommands(ipv6, settings),
    'fi',
    '',
  ].join('\n')

const toCommands = (family: Family, settings: CaptureSettings): string[] => [
  `${family.command}-restore --noflush <<'RULES'`,
  '*nat',
  ...chains.map((chain) => `:${chain} - [0:0]`),
  `-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports ${outboundCapturePort}`,
  `-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports ${inboundCapturePort}`,
  ...toInboundRules(family, settings).map((rule) => `-A ISTIO_INBOUND ${rule}`),
  ...toOutboundRules(family, settings).map((rule) => `-A ISTIO_OUTPUT ${rule}`),
  'COMMIT',
  'RULES',
  ...jumps.map((jump) => {
    const [check, append] = ['-C', '-A'].map((verb) => `${family.command} -t nat ${verb} ${jump}`)
    return `${check} 2>/dev/null || ${append}`
  }),
]

const tcpPort = (port: number): string => `-p tcp --dport ${port}`

const toInboundRules = (family: Family, settings: CaptureSettings): string[] => {
  const { inboundPorts, excludedInboundPorts, excludedInterfaces, virtualInterfaces } = settings
  return [
    ...excludedInterfaces.map((name) => `-i ${name} -j RETURN`),
    ...virtualInterfaces.flatMap((name) => [
      ...toRangeMatches(settings.outboundRanges, family).map((range) => `-i ${name} ${range}-j ISTIO_REDIRECT`),
      `-i ${name} -j RETURN`,
    ]),
    ...uncapturedPorts.map((port) => `${tcpPort(port)} -j RETURN`),
    ...(inboundPorts === 'all'
      ? [...excludedInboundPorts.map((port) => `${tcpPort(port)} -j RETURN`), '-j ISTIO_IN_REDIRECT']
      : inboundPorts.map((port) => `${tcpPort(port)} -j ISTIO_IN_REDIRECT`)),
  ]
}

const byProxy = `-m owner --uid-owner ${proxyUser}`
const byOthers = `-m owner ! --uid-owner ${proxyUser}`

/** The order is the meaning: the first rule that matches decides. */
const toOutboundRules = (family: Family, settings: CaptureSettings): string[] => [
  ...settings.excludedInterfaces.map((name) => `-o ${name} -j RETURN`),
  ...settings.excludedOutboundPorts.map((port) => `${tcpPort(port)} -j RETURN`),
  `-o lo -s ${family.passthroughSource} -j RETURN`,
  // The application called its own service and the proxy chose this very pod: that is inbound traffic as any other.
  `-o lo ! -d ${family.loopback} ${byProxy} -j ISTIO_IN_REDIRECT`,
  // The application calls itself, by localhost or its pod's address.
  ...(settings.outboundRanges !== 'all' && settings.outboundRanges.some(isLoopback)
    ? []
    : [`-o lo ${byOthers} -j RETURN`]),
  `${byProxy} -j RETURN`,
  `-d ${family.loopback} -j RETURN`,
  ...toRangeMatches(settings.excludedOutboundRanges, family).map((range) => `${range}-j RETURN`),
  ...settings.outboundPorts.map((port) => `${tcpPort(port)} -j ISTIO_REDIRECT`),
  ...toRangeMatches(settings.outboundRanges, family).map((range) => `${range}-j ISTIO_REDIRECT`),
]

/** Each with a space at its end; one that matches everything is empty. */
const toRangeMatches = (ranges: 'all' | readonly AddressRange[], family: Family): readonly string[] =>
  ranges === 'all' ? [''] : ranges.filter((range) => range.family === family.name).map(({ cidr }) => `-d ${cidr} `)

const isLoopback = ({ cidr }: AddressRange): boolean => /^(127\.|::1\/)/.test(cidr)
