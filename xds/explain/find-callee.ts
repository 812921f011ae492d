import { closestName } from '#mesh/config/schema/closest-name.ts'
import { isIpAddress, isWildcard } from '#mesh/config/schema/host-names.ts'
import { matchesHost } from '#mesh/merge/host-specificity.ts'
import { splitServiceKey, type ServiceKey } from '#mesh/names.ts'
import { isHttpProtocol, type Service, type ServicePort } from '#mesh/service.ts'
import { isVisibleFrom } from '#mesh/visibility.ts'
import { preferService } from '#xds/compile/select-service.ts'
import type { Call, SettledCall } from './call.ts'
import type { Found, Stop } from './explanation.ts'
import type { Client, Facts } from './facts.ts'

/** What a name means to a client. */
export interface Callee {
  readonly call: SettledCall
  /** Undefined = nothing that the mesh knows. */
  readonly service: Service | undefined
  /** Undefined = it has no such port. */
  readonly port: ServicePort | undefined
  /** Why the client's proxy does not know it, or this port of it, all the same; undefined = nothing speaks against it. */
  readonly hidden: Pick<Stop, 'code' | 'text' | 'fix' | 'decidedBy'> | undefined
}

/** Resolves what a client writes, as DNS and the mesh do; settles what goes without saying. */
export const findCallee = (facts: Facts, client: Client, call: Call): Found<Callee> => {
  const host = call.host.toLowerCase()
  const keys = isIpAddress(host) ? facts.servicesAt(host) : findByName(facts, client, host)
  const known = keys.flatMap((key) => facts.service(key) ?? [])
  const visible = known.filter((service) => isVisibleFrom(service, client.namespace))
  const service = preferService(visible, client.namespace) ?? preferService(known, client.namespace)
  if (!service) return isOutside(facts, host) ? settleOutside(call) : stopUnknown(facts, client, host)

  const port = findPort(service, call)
  const number = port?.number ?? call.port ?? toUsualPort(call)
  const address = isIpAddress(host) ? host : toAddress(facts, service)
  const settled: SettledCall = { ...call, port: number, scheme: call.scheme ?? toScheme(port), address }
  const decidedBy = [toDecider(service)]
  const unexported = visible.length > 0 ? undefined : toUnexported(service, client)
  const hidden = port ? unexported : toUnknownPort(service, number)
  const alias = service.aliasOf === undefined ? [] : [`an alias of ${service.aliasOf}`]
  const details = [
    ...alias,
    ...(service.source === 'service-entry' && !isIpAddress(host) && client.entry === 'captured'
      ? ['the application resolves it by its own DNS: the mesh answers for no ServiceEntry']
      : []),
  ]
  return {
    steps: [
      {
        stage: 'name',
        text: `${call.host} is ${service.hostname}${address === undefined ? '' : ` at ${address}`}, port ${number}${port ? ` (${port.protocol})` : ', which it does not have'}`,
        ...(details.length > 0 && { details }),
        decidedBy,
      },
    ],
    value: { call: settled, service, port, hidden },
  }
}

const isHeadless = ({ source, addresses, resolution, aliasOf }: Service): boolean =>
  source === 'service' && resolution === 'static' && addresses.length === 0 && aliasOf === undefined

const toDecider = ({ source, key, hostname, namespace }: Service) => ({
  object: source === 'service' ? `Service/${namespace}/${hostname.split('.')[0] ?? ''}` : `ServiceEntry of ${key}`,
})

/** Names with fewer dots are tried under the search domains first: Kubernetes' "ndots:5". */
const searchedDots = 5

/** The names that a resolver tries in a namespace. */
const toCandidates = (host: string, namespace: string, domainSuffix: string): readonly string[] => {
  if (host.endsWith('.')) return [host.slice(0, -1)]
  const below = [`${namespace}.svc.${domainSuffix}`, `svc.${domainSuffix}`, domainSuffix].map((end) => `${host}.${end}`)
  return host.split('.').length - 1 < searchedDots ? [...below, host] : [host, ...below]
}

const findByName = (facts: Facts, { namespace }: Client, host: string): readonly ServiceKey[] => {
  const { domainSuffix } = facts.settings()
  for (const candidate of toCandidates(host, namespace, domainSuffix)) {
    const keys = facts.servicesByHostname(candidate)
    if (keys.length > 0) return keys
  }
  const wildcards = facts
    .serviceKeys()
    .filter((key) => isWildcard(splitServiceKey(key).hostname) && matchesHost(splitServiceKey(key).hostname, host))
  const longest = Math.max(...wildcards.map((key) => splitServiceKey(key).hostname.length))
  return wildcards.filter((key) => splitServiceKey(key).hostname.length === longest)
}

/** Whether somebody else's DNS may know a name. */
const isOutside = (facts: Facts, host: string): boolean =>
  isIpAddress(host) ||
  (host.includes('.') && !host.endsWith(`.${facts.settings().domainSuffix}`) && !host.endsWith('.svc'))

const settleOutside = (call: Call): Found<Callee> => {
  const scheme = call.scheme ?? (call.port === 443 ? 'tls' : 'http')
  const port = call.port ?? (scheme === 'https' || scheme === 'tls' ? 443 : 80)
  const address = isIpAddress(call.host) ? call.host : undefined
  return {
    steps: [{ stage: 'name', text: `${call.host} is no service of the mesh: whoever resolves it knows where it is` }],
    value: { call: { ...call, port, scheme, address }, service: undefined, port: undefined, hidden: undefined },
  }
}

const stopUnknown = (facts: Facts, { namespace }: Client, host: string): Found<Callee> => {
  const { domainSuffix } = facts.settings()
  const tried = toCandidates(host, namespace, domainSuffix)
  const hostnames = [...new Set(facts.serviceKeys().map((key) => splitServiceKey(key).hostname))]
  const [name = host] = host.split('.')
  const elsewhere = hostnames.filter((each) => each.startsWith(`${name}.`) && each.endsWith(`.svc.${domainSuffix}`))
  const short = elsewhere.map((each) => each.slice(0, each.indexOf('.svc.')))
  const similar = closestName(
    host,
    hostnames.flatMap((each) => [each, each.split('.')[0] ?? each]),
  )
  return {
    steps: [],
    stop: {
      code: 'unknown-name',
      text: `No service is called ${host} in namespace ${namespace}; tried ${tried.join(', ')}`,
      fix:
        short.length > 0
          ? `Ask for ${short.slice(0, 3).join(' or ')}.`
          : similar === undefined
            ? 'See "atoll services" for the names that there are.'
            : `Did you mean ${similar}?`,
      answer: 'no-address',
    },
  }
}

const toUnexported = (service: Service, { namespace }: Client): Callee['hidden'] => ({
  code: 'not-exported',
  text: `${service.hostname} is exported to ${service.exportTo.join(', ')}, not to namespace ${namespace}`,
  fix: `Add ${namespace} to its exportTo${service.source === 'service' ? ' (annotation networking.istio.io/exportTo)' : ''}.`,
  decidedBy: [{ ...toDecider(service), path: 'exportTo' }],
})

const findPort = ({ ports }: Service, { port, scheme }: Call): ServicePort | undefined => {
  if (port !== undefined) return ports.find(({ number }) => number === port)
  const byScheme = ports.find(({ number }) => number === toUsualPort({ scheme }))
  return byScheme ?? (scheme === undefined && ports.length === 1 ? ports[0] : undefined)
}

const toUsualPort = ({ scheme }: Pick<Call, 'scheme'>): number => (scheme === 'https' || scheme === 'tls' ? 443 : 80)

const toUnknownPort = (service: Service, asked: number): Callee['hidden'] => {
  const ports = service.ports.map(({ number, protocol }) => `${number} (${protocol})`).join(', ')
  return {
    code: 'unknown-port',
    text: `${service.hostname} has no port ${asked}; it has ${ports || 'none'}`,
    fix: 'Ask for one of these, or add the port to the service.',
    decidedBy: [{ ...toDecider(service), path: 'ports' }],
  }
}

/** That nobody of the mesh is at the port; what is outside may well answer at ports that its ServiceEntry leaves out. */
export const findMissingPort = ({ service, hidden }: Callee): Callee['hidden'] =>
  hidden?.code === 'unknown-port' && service?.location === 'mesh-internal' ? hidden : undefined

const toScheme = (port: ServicePort | undefined): SettledCall['scheme'] => {
  if (!port || port.protocol === 'auto' || isHttpProtocol(port.protocol)) return 'http'
  return port.protocol === 'tcp' ? 'tcp' : 'tls'
}

/** Where its name leads: the first of its addresses or, without any, of its endpoints. */
const toAddress = (facts: Facts, service: Service): string | undefined => {
  const [virtual] = service.addresses.filter((address) => isIpAddress(address))
  if (virtual !== undefined) return virtual
  if (service.aliasOf !== undefined) {
    const [key] = facts.servicesByHostname(service.aliasOf)
    const aliased = key && facts.service(key)
    return aliased && aliased.aliasOf === undefined ? toAddress(facts, aliased) : undefined
  }
  return isHeadless(service)
    ? facts.endpoints(service.key).find(({ address }) => isIpAddress(address))?.address
    : undefined
}
