import type { Configured } from '../config-object.ts'
import { isForeignHost } from '../host-owner.ts'
import { exportToOf, isProxied, trafficDistributionOf, type ServiceSpec } from '../config/service.ts'
import { isIpAddress } from '../config/schema/host-names.ts'
import type { ServiceEntrySpec } from '../config/service-entry.ts'
import { type NetworkName, toServiceHostname, toServiceKey } from '../names.ts'
import type { Endpoint, Service, ServicePort } from '../service.ts'
import type { Workload } from '../workload.ts'
import type { Offer } from './catalog-index.ts'
import { selectProtocol } from './select-protocol.ts'
import { toWorkload } from './to-workload.ts'

type NamedPorts = Parameters<Offer['toPorts']>[0]

/** A `Service` is served by the WorkloadEntries of its namespace that its selector selects; without labels, or as an alias, it selects nothing. */
export const toServiceOffer = (
  { metadata, spec }: Pick<Configured<ServiceSpec>, 'metadata' | 'spec'>,
  domainSuffix: string,
): Offer => {
  const { namespace } = metadata
  const hostname = toServiceHostname(metadata.name, namespace, domainSuffix)
  const labels = spec.selector ?? {}
  const ports = spec.ports.filter(isProxied)
  const named = spec.type === 'ExternalName' ? spec.externalName?.toLowerCase().replace(/\.$/, '') : undefined
  const aliasOf = named !== undefined && isElsewhere(named) ? named : undefined
  const distribution = trafficDistributionOf(spec.trafficDistribution, metadata.annotations)
  const clusterIps = [spec.clusterIP ?? 'None', ...(spec.clusterIPs ?? [])].filter((address) => address !== 'None')
  return {
    kind: 'Service',
    metadata,
    service: {
      key: toServiceKey(namespace, hostname),
      namespace,
      hostname,
      addresses: aliasOf === undefined ? [...new Set(clusterIps)] : [],
      ports: ports.map(({ name = '', port, appProtocol }) => toPort(name, port, appProtocol)),
      ...(aliasOf === undefined
        ? { resolution: 'static', location: 'mesh-internal' }
        : { resolution: 'dns', location: 'mesh-external', aliasOf }),
      ...toExport(exportToOf(metadata.annotations)),
      source: 'service',
      ...(distribution && { trafficDistribution: distribution }),
      ...(spec.internalTrafficPolicy === 'Local' && { isNodeLocal: true }),
      labels: metadata.labels ?? {},
      subjectAltNames: [],
    },
    inline: [],
    selector: aliasOf === undefined && Object.keys(labels).length > 0 ? { namespace, labels } : null,
    toPorts: (named) =>
      toServedPorts(ports, ({ name = '', port, targetPort }) => {
        if (typeof targetPort === 'string') return toNumber(named, targetPort)
        return targetPort ?? toNumber(named, name) ?? port
      }),
  }
}

/**
 * What a ServiceEntry offers: one service for each of its hosts, but those that are another namespace's by name (`findForeignHosts` tells). With resolution DNS and neither endpoints nor a selector the
 * host itself is resolved. Istio reference: networking/service-entry.
 */
export const toServiceEntryOffers = (
  object: Configured<ServiceEntrySpec>,
  { network, domainSuffix }: { readonly network: NetworkName; readonly domainSuffix: string },
): readonly Offer[] => {
  const { metadata, spec } = object
  const { namespace } = metadata
  const hosts = spec.hosts.filter((host) => !isForeignHost(host, namespace, domainSuffix))
  const hostnames = new Set(hosts.map((host) => host.toLowerCase()))
  const common = {
    namespace,
    addresses: spec.addresses ?? [],
    ports: spec.ports.map(({ name, number, protocol }) => toPort(name, number, protocol)),
    resolution: resolutions[spec.resolution],
    ...(spec.resolution === 'DYNAMIC_DNS' && { isNamedByClient: true }),
    location: spec.location === 'MESH_INTERNAL' ? 'mesh-internal' : 'mesh-external',
    ...toExport(spec.exportTo),
    source: 'service-entry',
    labels: metadata.labels ?? {},
    subjectAltNames: spec.subjectAltNames ?? [],
  } satisfies Omit<Service, 'key' | 'hostname'>
  return [...hostnames].map((hostname) => ({
    kind: 'ServiceEntry',
    metadata,
    service: { ...common, key: toServiceKey(namespace, hostname), hostname },
    inline: toInlineWorkloads(object, hostname, network),
    selector: spec.workloadSelector ? { namespace, labels: spec.workloadSelector.labels ?? {} } : null,
    toPorts: (named) =>
      toServedPorts(spec.ports, ({ name, number, targetPort }) => toNumber(named, name) ?? targetPort ?? number),
  }))
}

const resolutions: Readonly<Record<ServiceEntrySpec['resolution'], Service['resolution']>> = {
  NONE: 'none',
  STATIC: 'static',
  DNS: 'dns',
  DNS_ROUND_ROBIN: 'dns-round-robin',
  DYNAMIC_DNS: 'none',
}

const toExport = (exportTo: readonly string[] = []): Pick<Service, 'exportTo' | 'isExportedByDefault'> =>
  exportTo.length > 0 ? { exportTo } : { exportTo: ['*'], isExportedByDefault: true }

const toPort = (name: string, number: number, explicit: string | undefined): ServicePort => ({
  name,
  number,
  protocol: selectProtocol({ explicit, name, number }),
})

const toServedPorts = <Port extends { readonly name?: string | undefined }>(
  ports: readonly Port[],
  toNumberAt: (port: Port) => number | undefined,
): Endpoint['ports'] =>
  Object.fromEntries(
    ports.flatMap((port): [string, number][] => {
      const number = toNumberAt(port)
      return number === undefined ? [] : [[port.name ?? '', number]]
    }),
  )

const toNumber = (named: NamedPorts, name: string): number | undefined =>
  Object.hasOwn(named, name) ? named[name] : undefined

const toInlineWorkloads = (
  { apiVersion, kind, metadata, spec }: Configured<ServiceEntrySpec>,
  hostname: string,
  localNetwork: NetworkName,
): readonly Workload[] => {
  const isByDns = spec.resolution === 'DNS' || spec.resolution === 'DNS_ROUND_ROBIN'
  const isTheHost = isByDns && !spec.endpoints?.length && !spec.workloadSelector
  const endpoints = isTheHost ? [{ address: hostname }] : (spec.endpoints ?? [])
  const seen = new Map<string, number>()
  return endpoints.map((endpoint) => {
    const place = endpoint.address || endpoint.network || ''
    const count = (seen.get(place) ?? 0) + 1
    seen.set(place, count)
    // The same address may stand there several times, with different ports.
    const name = `${metadata.name}/${place}${count > 1 ? `#${count}` : ''}`
    const held = { apiVersion, kind, metadata: { namespace: metadata.namespace, name }, spec: endpoint }
    return { ...toWorkload(held, localNetwork), origin: 'service-entry' }
  })
}

/** To a proxy these would be itself, its pod or its node. An ExternalName is a name of DNS, no address: an API server does not look. */
const isElsewhere = (host: string): boolean =>
  !isIpAddress(host) && host !== 'localhost' && !host.endsWith('.localhost') && host !== 'ip6-localhost'
