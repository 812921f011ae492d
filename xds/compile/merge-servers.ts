import { proxyAdminPort, proxyHealthPort } from '#mesh/kubernetes/conventions.ts'
import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import {
  isHttpPort,
  toServerHosts,
  toServerKind,
  type GatewayServer,
  type GatewaySpec,
  type ServerHost,
  type ServerKind,
} from '#mesh/config/gateway.ts'
import { isPassthrough } from '#mesh/config/schema/server-tls.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Report } from './report.ts'

/** A server of a Gateway object. Its port's name tells it apart from the object's others. */
export interface ServerKey {
  /** "<namespace>/<name>" */
  readonly gateway: string
  readonly portName: string
}

export interface MergedServer extends ServerKey {
  readonly server: GatewayServer
  readonly hosts: readonly ServerHost[]
  /** Of its route configuration; undefined when what it takes is not HTTP, or passed on as TLS. Istio's name. */
  readonly routes: string | undefined
}

/** What listens on one address: servers of plaintext HTTP, one of plaintext TCP, or several of TLS that SNI tells apart. */
export interface ServerGroup {
  readonly bind: string | undefined
  /** 0 with a Unix domain socket. */
  readonly port: number
  readonly kind: ServerKind
  /** In the order of their Gateways' age. */
  readonly servers: readonly MergedServer[]
  /** Whose each host is that a server names. */
  readonly owners: ReadonlyMap<string, MergedServer>
}

/** Where a gateway listens. */
export interface ListenPlace {
  /** "<namespace>/<name>", oldest first. */
  readonly gateways: readonly string[]
  /** Port of a server → where the proxy listens for it. */
  readonly listenPorts: Readonly<Record<string, number>>
  /** Where servers without an address of their own do. */
  readonly address: string
}

/** The proxy listens there itself: nobody's server may keep it from getting ready. */
const ownPorts: readonly number[] = [proxyHealthPort, proxyAdminPort]

/**
 * The servers of several Gateway objects, oldest first, by where they listen. One that can not be told apart from an earlier one is left
 * out. Istio: pilot/pkg/model/gateway.go, mergeGateways.
 */
export const mergeServers = (
  view: MeshView,
  { gateways, listenPorts, address: ownAddress }: ListenPlace,
  report: Report,
): ServerGroup[] => {
  const groups = new Map<string, OpenGroup>()
  for (const name of gateways) {
    const gateway = view.gatewayObject(name)
    for (const { bind, ...unbound } of gateway?.spec.servers ?? []) {
      // Said or not, it is one listener.
      const server: GatewayServer = bind === ownAddress ? unbound : { ...unbound, bind }
      const merged = toMerged(name, server, listenPorts)
      const port = toListenPort(server, listenPorts)
      if (ownPorts.includes(port)) {
        if (gateway)
          report(toGatewayKey(gateway), `server ${server.port.name} is left out: port ${port} is the proxy's`)
        continue
      }
      const address = `${server.bind ?? ''} ${port}`
      const group = groups.get(address)
      const kind = toServerKind(server)
      if (!group) {
        const opened: OpenGroup = { bind: server.bind, port, kind, servers: [], owners: new Map() }
        addServer(opened, merged)
        groups.set(address, opened)
      } else {
        const conflict = findConflict(group, kind, merged)
        if (conflict === undefined) addServer(group, merged)
        else if (gateway) report(toGatewayKey(gateway), `server ${server.port.name} is left out: ${conflict}`)
      }
    }
  }
  return [...groups.values()]
}

/** The server of this key, when there still is one. */
export const findServer = (view: MeshView, { gateway, portName }: ServerKey): GatewayServer | undefined =>
  view.gatewayObject(gateway)?.spec.servers.find(({ port }) => port.name === portName)

export const toGatewayNamespace = (gateway: string): string => gateway.slice(0, gateway.indexOf('/'))

export const toGatewayKey = ({ metadata }: Configured<GatewaySpec>): string =>
  toObjectKey('Gateway', metadata.namespace, metadata.name)

const toMerged = (
  gateway: string,
  server: GatewayServer,
  listenPorts: Readonly<Record<string, number>>,
): MergedServer => ({
  gateway,
  portName: server.port.name,
  server,
  hosts: toServerHosts(toGatewayNamespace(gateway), server),
  routes: toRoutesName(gateway, server, listenPorts),
})

const toListenPort = ({ port: { number = 0 } }: GatewayServer, listenPorts: Readonly<Record<string, number>>) =>
  listenPorts[number] ?? number

const toRoutesName = (
  gateway: string,
  server: GatewayServer,
  listenPorts: Readonly<Record<string, number>>,
): string | undefined => {
  const { port, bind, tls } = server
  const parts = bind === undefined ? [] : [bind.replaceAll('/', '_')]
  if (isHttpPort(port)) return ['http', toListenPort(server, listenPorts), ...parts].join('.')
  if (port.protocol.toLowerCase() !== 'https' || !tls || isPassthrough(tls)) return undefined
  const [namespace, name] = gateway.split('/')
  return ['https', port.number, port.name, name, namespace, ...parts].join('.')
}

interface OpenGroup extends ServerGroup {
  readonly servers: MergedServer[]
  readonly owners: Map<string, MergedServer>
}

const addServer = ({ servers, owners }: OpenGroup, merged: MergedServer): void => {
  servers.push(merged)
  for (const { host } of merged.hosts) owners.set(host, merged)
}

const findConflict = (group: OpenGroup, kind: ServerKind, { hosts, server }: MergedServer): string | undefined => {
  const [first] = group.servers
  const where = `${first?.gateway} listens on port ${group.port}`
  if (group.kind !== kind) return `${where} for ${first?.server.port.protocol}, not for ${server.port.protocol}`
  if (kind === 'http') return undefined
  if (kind === 'tcp') return `${where} already, and bytes don't tell for which of them they are`
  const contested = hosts.find(({ host }) => group.owners.has(host))
  return contested && `${group.owners.get(contested.host)?.gateway} has ${contested.host} on port ${group.port} already`
}
