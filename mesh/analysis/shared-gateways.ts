import type { Configured } from '../config-object.ts'
import { toServerHosts, toServerKind, type GatewayServer, type GatewaySpec } from '../config/gateway.ts'
import { byAge } from '../merge/by-age.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import { olderOf } from './older-of.ts'

type Gateway = Configured<GatewaySpec>

interface Listening {
  readonly gateway: Gateway
  readonly server: GatewayServer
  readonly index: number
}

/**
 * What servers of several Gateways for the same proxies take from each other: a port by another protocol, a host of a port, a certificate.
 * Istio: "ConflictingGateways", "GatewayDuplicateCertificate".
 */
export const findSharedServers = (gateways: readonly Gateway[]): readonly Problem[] => {
  const all = gateways.flatMap((gateway) =>
    gateway.spec.servers.map((server, index): Listening => ({ gateway, server, index })),
  )
  return [
    ...findRivals(
      all,
      ({ gateway, server }) => [toPlace(gateway, server)],
      isOfOtherKind,
      ['port'],
      (one, other) => {
        const { protocol, number } = other.server.port
        return `${nameOf(other.gateway)} has ${protocol} on port ${number} of the same proxies: ${olderOf(one.gateway, other.gateway)} holds`
      },
    ),
    ...findRivals(all, toHosts, isOfOtherGateway, ['hosts'], (one, { gateway, server }) =>
      toServerKind(server) === 'http'
        ? `${nameOf(gateway)} has one of the hosts on the same port of the same proxies: the VirtualServices of both are for it`
        : `${nameOf(gateway)} has one of the hosts on the same port of the same proxies: ${olderOf(one.gateway, gateway)} holds`,
    ),
    ...findRivals(
      all,
      toCertificates,
      isOfOtherGateway,
      ['tls'],
      (_, { gateway }) =>
        `${nameOf(gateway)} has the same certificate on the same proxies: clients that use a connection for the hosts of both are answered 404`,
    ),
  ]
}

const isOfOtherGateway = (one: Listening, other: Listening): boolean => one.gateway !== other.gateway
const isOfOtherKind = ({ server }: Listening, other: Listening): boolean =>
  toServerKind(server) !== toServerKind(other.server)

/** A warning to each of the servers that have a key in common with a rival, of which it names the oldest. */
const findRivals = (
  all: readonly Listening[],
  toKeys: (listening: Listening) => readonly string[],
  isRival: (one: Listening, other: Listening) => boolean,
  field: readonly string[],
  explain: (one: Listening, other: Listening) => string,
): readonly Problem[] => {
  const byKey = new Map<string, Listening[]>()
  for (const listening of all.toSorted((left, right) => byAge(left.gateway, right.gateway)))
    for (const key of new Set(toKeys(listening))) byKey.set(key, [...(byKey.get(key) ?? []), listening])
  return all.flatMap((listening) => {
    const rivals = toKeys(listening).flatMap((key) => byKey.get(key) ?? [])
    const other = rivals.find((each) => isRival(listening, each))
    const path = ['spec', 'servers', listening.index, ...field]
    return other ? [problemOf(listening.gateway, 'conflict', 'warning', path, explain(listening, other))] : []
  })
}

/** Those with the same selector are of the same proxies. */
const toSelector = ({ spec }: Gateway): unknown =>
  Object.entries(spec.selector ?? {}).sort(([left], [right]) => (left < right ? -1 : 1))

const toPlace = (gateway: Gateway, { bind, port }: GatewayServer): string =>
  JSON.stringify([toSelector(gateway), bind ?? '', port.number ?? 0])

const toHosts = ({ gateway, server }: Listening): string[] =>
  toServerHosts(gateway.metadata.namespace, server).map(({ namespace = '*', host }) =>
    JSON.stringify([toPlace(gateway, server), toServerKind(server), namespace, host]),
  )

const toCertificates = ({ gateway, server: { tls } }: Listening): string[] =>
  [
    tls?.credentialName,
    ...(tls?.credentialNames ?? []),
    tls?.privateKey && `${tls.serverCertificate} ${tls.privateKey}`,
  ].flatMap((certificate) => (certificate ? JSON.stringify([toSelector(gateway), certificate]) : []))
