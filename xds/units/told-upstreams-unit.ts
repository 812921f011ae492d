import { objectKeyOf, toObjectKey } from '#mesh/config-object.ts'
import type { ExtensionProvider } from '#mesh/config/schema/extension-providers.ts'
import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import { resolveTelemetry } from '#mesh/telemetry/resolve-telemetry.ts'
import { findTelemetries, namesProvider } from '#mesh/telemetry/select-telemetries.ts'
import type { MeshView } from '#mesh/view.ts'
import { findProcessingServices } from '#xds/compile/compile-extension.ts'
import { findAskedServices } from '#xds/compile/compile-delegation.ts'
import { compileEgress } from '#xds/compile/compile-egress.ts'
import { findProviderServer, toProviderHost, type ProviderServer } from '#xds/compile/find-provider-server.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { selectDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { selectService } from '#xds/compile/select-service.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { toClientKey, toToldClientKey, type Client, type Told } from './client.ts'
import { toHostCandidate } from './host-unit.ts'
import { upstreamsUnit } from './upstreams-unit.ts'

/**
 * The upstreams of the extension providers that proxies tell of calls, whatever else they reach. `sidecarKey`: of sidecars, which have those of all
 * that their Sidecar object takes anyway.
 */
export const toldUpstreamsUnit = (client: Client & Told, sidecarKey?: string): Unit => ({
  key: `told-upstreams|${toToldClientKey(client)}|${client.secretsOf}|${sidecarKey ?? 'gateway'}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const includes = findToldServices(view, client).flatMap(({ provider, service }) => {
      const found = findProviderServer(view, service, client.namespace)
      if (!found.ok) {
        report(
          toNamingObject(view, client, provider),
          `the extension provider "${provider}" is told nothing: ${found.error}`,
        )
        return []
      }
      return toUpstreams(view, found.value, { service, client, sidecarKey })
    })
    return { includes, problems }
  },
})

/** The same of those that policies and ProxyExtensions of the client's namespace, and of the root namespace, have asked. Which can not be, their own units tell. */
export const askedUpstreamsUnit = (client: Client, sidecarKey?: string): Unit => ({
  key: `asked-upstreams|${toClientKey(client)}|${client.secretsOf}|${sidecarKey ?? 'gateway'}`,
  compile: (view) => ({
    includes: findServicesOfPolicies(view, client.namespace).flatMap((service) => {
      const found = findProviderServer(view, service, client.namespace)
      return found.ok ? toUpstreams(view, found.value, { service, client, sidecarKey }) : []
    }),
  }),
})

const findServicesOfPolicies = (view: MeshView, namespace: string): readonly ProviderService[] => {
  const namespaces = [...new Set([view.meshConfig().rootNamespace, namespace])]
  return [...findAskedServices(view, namespaces), ...findProcessingServices(view, namespaces)]
}

interface Reacher {
  readonly service: ProviderService
  readonly client: Client
  readonly sidecarKey: string | undefined
}

const toUpstreams = (
  view: MeshView,
  { service: reached }: ProviderServer,
  { service, client, sidecarKey }: Reacher,
): readonly Unit[] =>
  sidecarKey !== undefined && isReachedAnyway(view, client, sidecarKey, service)
    ? []
    : [upstreamsUnit(view, { service: reached, policy: selectDestinationPolicy(view, reached, client) }, client)]

const findToldServices = (view: MeshView, { telemetry }: Told) => {
  const { client, server } = resolveTelemetry(view.meshConfig(), findTelemetries(view, telemetry))
  const providers = new Set(
    [client, server].flatMap(({ accessLogging, tracing }) => [
      ...accessLogging.flatMap(({ to }) => (typeof to === 'object' ? to : [])),
      ...(tracing.provider ? [tracing.provider] : []),
    ]),
  )
  return [...providers].flatMap((provider) =>
    servicesOf(provider).map((service) => ({ provider: provider.name, service })),
  )
}

/** The closest of those that name it; without one the mesh's settings do. */
const toNamingObject = (view: MeshView, { telemetry }: Told, provider: string): string => {
  const naming = findTelemetries(view, telemetry).findLast((object) => namesProvider(object, provider))
  return naming ? objectKeyOf(naming) : toObjectKey('MeshConfig', '', provider)
}

const servicesOf = (provider: ExtensionProvider): readonly ProviderService[] => {
  const { envoyHttpAls, envoyTcpAls, envoyOtelAls, zipkin, datadog, skywalking, opentelemetry } = provider
  const service = envoyHttpAls ?? envoyTcpAls ?? envoyOtelAls ?? zipkin ?? datadog ?? skywalking ?? opentelemetry
  const sampling = opentelemetry?.dynatraceSampler?.httpService
  return [service, sampling].filter((each) => each !== undefined)
}

/** Whether the host is one of those that the class has anyway: an EnvoyCluster's name does not say of which namespace it is. */
const isReachedAnyway = (view: MeshView, client: Client, sidecarKey: string, { service }: ProviderService): boolean => {
  const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
  const candidates = view
    .servicesByHostname(toProviderHost(service).host)
    .filter((key) => toHostCandidate(egress, key) !== undefined)
  return selectService(view, candidates, client.namespace) !== undefined
}
