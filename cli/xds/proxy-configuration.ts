import { typeUrls } from '#xds/type-url.ts'
import type { OfflineResource, OfflineResult } from './offline-compile.ts'

type Json = OfflineResource['json']

/** All that one proxy is given, as Envoy's own messages in JSON with the names of the .proto files. */
export interface ProxyConfiguration {
  readonly listeners: readonly Json[]
  /** Route configurations with all of their virtual hosts, which are delivered one by one. */
  readonly routes: readonly Json[]
  readonly clusters: readonly Json[]
  readonly endpoints: readonly Json[]
  /** Of filters that are in listeners by name alone. */
  readonly filters: readonly Json[]
}

export const toProxyConfiguration = ({ resources }: Pick<OfflineResult, 'resources'>): ProxyConfiguration => {
  const ofType = (type: OfflineResource['type']) => resources.filter((resource) => resource.type === type)
  const toJson = (resource: OfflineResource): Json => resource.json
  const virtualHosts = ofType(typeUrls.virtualHost)
  return {
    listeners: ofType(typeUrls.listener).map(toJson),
    routes: ofType(typeUrls.route).map(({ name, json }) => joinVirtualHosts(name, json, virtualHosts)),
    clusters: ofType(typeUrls.cluster).map(toJson),
    endpoints: ofType(typeUrls.endpoint).map(toJson),
    filters: ofType(typeUrls.extensionConfig).map(toJson),
  }
}

/** A virtual host is named "<route configuration>/<name>". Envoy looks for the domain that fits best: their order means nothing. */
const joinVirtualHosts = (name: string, configuration: Json, virtualHosts: readonly OfflineResource[]): Json => {
  const { vhds: _delivery, virtual_hosts: inline, ...rest } = configuration
  const own = virtualHosts.filter((each) => each.name.startsWith(`${name}/`)).map(({ json }) => json)
  return { ...rest, virtual_hosts: [...own, ...(Array.isArray(inline) ? inline : [])] }
}
