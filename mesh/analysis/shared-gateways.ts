import type { Configured } from '../config-object.ts'
import { toServerHosts, toServerKind, type GatewayServer, type GatewaySpec } from '../config/gateway.ts'
import { byAge } from '../merge/by-age.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import { FirstByOwner } from './first-by-owner.ts'
import { findSelected } from './selected-proxies.ts'
import { olderOf } from './older-of.ts'

type Gateway = Configured<GatewaySpec>

interface Listening {
  readonly gateway: Gateway
  readonly server: GatewayServer
  readonly index: number
  readonly proxies: readonly string[]
}

/**
 * What servers of several Gateways for the same proxies take from each other: a port by another protocol, a host of a port, a certificate.
 * Istio: "ConflictingGateways", "GatewayDuplicateCertificate".
 */
export const findSharedServers = (gateways: readonly Gateway[]): readonly Problem[] => {
  const selected = findSelected(gateways.map(({ spec: { selector = {} } }) => selector))
  const all = gateways.flatMap((gateway, each) => {
    const proxies = selected[each] ?? []
    return gateway.spec.servers.map((server, index): Listening => ({ gateway, server, index, proxies }))
  })
  return [
    ...contested(
      all,
      toPlaces,
      ({ server }) => toServerKind(server),
      ['port'],
      (one, other) => {
        const { protocol, number } = other.server.port
        if (one.gateway === other.gateway) {
          const holder = one.index < other.index ? 'this server' : 'that server'
          return `spec.servers[${other.index}] has ${protocol} on port ${number} too: ${holder}, which is the first, holds`
        }
        return `${nameOf(other.gateway)} has ${protocol} on port ${number} of the same proxies: ${olderOf(one.gateway, other.gateway)} holds`
      },
    ),
    ...contested(all, toHosts, toGateway, ['hosts'], (one, { gateway, server }) =>
      toServerKind(server) === 'http'
        ? `${nameOf(gateway)} has one of the hosts on the same port of the same proxies: the VirtualServices of both are for it`
        : `${nameOf(gateway)} has one of the hosts on the same port of the same proxies: ${olderOf(one.gateway, gateway)} holds`,
    ),
    ...contested(
      all,
      toCertificates,
      toGateway,
      ['tls'],
      (_, { gateway }) =>
        `${nameOf(gateway)} has the same certificate on the same proxies: clients that use a connection for the hosts of both are answered 404`,
    ),
  ]
}

const toGateway = ({ gateway }: Listening): Gateway => gateway

/** A warning to each of the servers that have a key in common with another owner's, of which it names the oldest. */
const contested = <Owner>(
  all: readonly Listening[],
  toKeys: (listening: Listening) => readonly string[],
  toOwner: (listening: Listening) => Owner,
  field: readonly string[],
  explain: (one: Listening, other: Listening) => string,
): readonly Problem[] => {
  const byKey = new Map<string, FirstByOwner<Listening, Owner>>()
  for (const listening of all.toSorted((left, right) => byAge(left.gateway, right.gateway)))
    for (const key of toKeys(listening))
      getOrAdd(byKey, key, () => new FirstByOwner<Listening, Owner>()).add(toOwner(listening), listening)
  return all.flatMap((listening) => {
    const rivals = toKeys(listening).map((key) => byKey.get(key)?.ofAnother(toOwner(listening)))
    const other = rivals.find((each) => each !== undefined)
    const path = ['spec', 'servers', listening.index, ...field]
    return other ? [problemOf(listening.gateway, 'conflict', 'warning', path, explain(listening, other))] : []
  })
}

const toPlaces = ({ proxies, server: { bind, port } }: Listening): string[] =>
  proxies.map((each) => JSON.stringify([each, bind ?? '', port.number ?? 0]))

const toHosts = (listening: Listening): string[] => {
  const { gateway, server } = listening
  const hosts = toServerHosts(gateway.metadata.namespace, server)
  return toPlaces(listening).flatMap((place) =>
    hosts.map(({ namespace = '*', host }) => JSON.stringify([place, toServerKind(server), namespace, host])),
  )
}

const toCertificates = ({ proxies, server: { tls } }: Listening): string[] =>
  [
    tls?.credentialName,
    ...(tls?.credentialNames ?? []),
    tls?.privateKey && `${tls.serverCertificate} ${tls.privateKey}`,
  ].flatMap((certificate) => (certificate ? proxies.map((each) => JSON.stringify([each, certificate])) : []))
