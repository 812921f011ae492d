import type { Configured } from '../config-object.ts'
import { toServerHosts, toServerKind, type GatewayServer, type GatewaySpec } from '../config/gateway.ts'
import { byAge } from '../merge/by-age.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import { FirstByOwner } from './first-by-owner.ts'
import { findSelected, type SelectedProxies } from './selected-proxies.ts'
import { olderOf } from './older-of.ts'

type Gateway = Configured<GatewaySpec>

interface Listening {
  readonly gateway: Gateway
  readonly server: GatewayServer
  readonly index: number
  readonly proxies: SelectedProxies
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
      (listening) => [toPlace(listening)],
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

/** A warning to each of the servers that have a key in common with another owner's on some of the same proxies. */
const contested = <Owner>(
  all: readonly Listening[],
  toKeys: (listening: Listening) => readonly string[],
  toOwner: (listening: Listening) => Owner,
  field: readonly string[],
  explain: (one: Listening, other: Listening) => string,
): readonly Problem[] => {
  const ofKeys = new Map<string, Rivals<Owner>>()
  for (const listening of all.toSorted((left, right) => byAge(left.gateway, right.gateway)))
    for (const key of toKeys(listening)) {
      const ofSelectors: Rivals<Owner> = getOrAdd(ofKeys, key, () => new Map())
      getOrAdd(ofSelectors, listening.proxies, () => new FirstByOwner()).add(toOwner(listening), listening)
    }
  const rivals = new Map([...ofKeys].map(([key, ofSelectors]) => [key, toRivalsOfProxies(ofSelectors)]))
  return all.flatMap((listening) => {
    const found = toKeys(listening).map((key) => rivals.get(key)?.get(listening.proxies)?.ofAnother(toOwner(listening)))
    const other = found.find((each) => each !== undefined)
    const path = ['spec', 'servers', listening.index, ...field]
    return other ? [problemOf(listening.gateway, 'conflict', 'warning', path, explain(listening, other))] : []
  })
}

/** Who has a key, by what their Gateways select. */
type Rivals<Owner> = Map<SelectedProxies, FirstByOwner<Listening, Owner>>

/** The same with all that have it for some of the same proxies, by whatever selector. */
const toRivalsOfProxies = <Owner>(ofSelectors: Rivals<Owner>): Rivals<Owner> => {
  if (ofSelectors.size === 1) return ofSelectors
  const ofProxies = new Map<number, FirstByOwner<Listening, Owner>>()
  const kept = [...ofSelectors.values()].flatMap((each) => each.kept())
  for (const { owner, value } of kept.toSorted((left, right) => byAge(left.value.gateway, right.value.gateway)))
    for (const proxy of value.proxies)
      getOrAdd(ofProxies, proxy, () => new FirstByOwner<Listening, Owner>()).add(owner, value)
  return new Map(
    [...ofSelectors.keys()].map((proxies) => {
      const ofAll = new FirstByOwner<Listening, Owner>()
      for (const proxy of proxies)
        for (const { owner, value } of ofProxies.get(proxy)?.kept() ?? []) ofAll.add(owner, value)
      return [proxies, ofAll]
    }),
  )
}

/** The keys do not say for which proxies. */
const toPlace = ({ server: { bind, port } }: Listening): string => JSON.stringify([bind ?? '', port.number ?? 0])

const toHosts = (listening: Listening): string[] => {
  const { gateway, server } = listening
  const place = toPlace(listening)
  return toServerHosts(gateway.metadata.namespace, server).map(({ namespace = '*', host }) =>
    JSON.stringify([place, toServerKind(server), namespace, host]),
  )
}

const toCertificates = ({ server: { tls } }: Listening): string[] =>
  [
    tls?.credentialName,
    ...(tls?.credentialNames ?? []),
    tls?.privateKey && `${tls.serverCertificate} ${tls.privateKey}`,
  ].flatMap((certificate) => certificate || [])
