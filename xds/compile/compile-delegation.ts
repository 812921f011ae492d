import type { AuthorizationPolicySpec, AuthorizationRule } from '#mesh/config/authorization-policy.ts'
import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { ExtensionProvider } from '#mesh/config/schema/extension-providers.ts'
import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import { findProvider, providerFault, toKnownProviders } from '#mesh/telemetry/find-provider.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Authorizer, HttpCheck, NamePattern } from '#xds/model/authorizer.ts'
import { findGrpcServer, findProviderServer } from './find-provider-server.ts'
import type { Report } from './report.ts'

type Policy = Sourced<AuthorizationPolicySpec>

/** Istio's. */
const defaultTimeoutMs = 600_000

/**
 * Whom policies of the action CUSTOM ask, all of one workload. Istio: there is one provider at a workload. undefined: nobody can be asked, and each of their objects is told why.
 */
export const compileAuthorizer = (
  view: MeshView,
  policies: readonly Policy[],
  clientNamespace: string,
  report: Report,
): Authorizer | undefined => {
  const names = [...new Set(policies.map(toProviderName))]
  const found = names.map((name) => findAuthorizer(view, name, clientNamespace))
  const [only, ...others] = found
  for (const policy of policies) {
    const index = names.indexOf(toProviderName(policy))
    const own = found[index]
    const rest = names.filter((_, other) => other !== index)
    if (own && !own.ok) report(objectKeyOf(policy), `${own.error}: what its rules match is denied`)
    else if (rest.length > 0)
      report(
        objectKeyOf(policy),
        `other policies of its workloads ask ${rest.map((name) => `"${name}"`).join(', ')}, and a workload has one provider: what the rules of all match is denied`,
      )
  }
  return only?.ok === true && others.length === 0 ? only.value : undefined
}

/** Names have no case. */
const toProviderName = ({ spec }: Policy): string => (spec.provider?.name ?? '').toLowerCase()

const findAuthorizer = (view: MeshView, name: string, clientNamespace: string): Result<Authorizer, string> => {
  const { extensionProviders } = view.meshConfig()
  const fault = providerFault(toKnownProviders(extensionProviders), name, 'authorization')
  const provider = findProvider(extensionProviders, name)
  const asked = provider === 'own' ? undefined : toAsked(provider)
  if (fault !== undefined || !asked) return err(fault ?? `there is no extension provider "${name}"`)
  const find = asked.kind === 'grpc' ? findGrpcServer : findProviderServer
  const server = find(view, asked, clientNamespace)
  if (!server.ok) return err(`the extension provider "${name}" can not be asked: ${server.error}`)
  const { upstream, authority } = server.value
  const { timeout, failOpen, statusOnError, clearRouteCache, includeRequestBodyInCheck: body } = asked
  return ok({
    upstream,
    authority,
    timeoutMs: timeout === undefined ? defaultTimeoutMs : toMilliseconds(timeout),
    failsOpen: failOpen,
    ...(statusOnError !== undefined && { statusOnError: Number(statusOnError) }),
    clearsRoute: clearRouteCache,
    ...(body && {
      body: { maxBytes: body.maxRequestBytes, isCut: body.allowPartialMessage, isRaw: body.packAsBytes },
    }),
    speaks: asked.kind === 'grpc' ? { protocol: 'grpc' } : { protocol: 'http', ...compileHttpCheck(asked) },
  })
}

/** Of policies whose provider can not be asked about connections: what becomes of those that are expected. */
export const reportUnaskable = (policies: readonly Policy[], tcpPorts: readonly number[], report: Report): void => {
  for (const policy of policies) {
    const denied = tcpPorts.filter((port) => policy.spec.rules.some((rule) => isForPort(rule, String(port))))
    if (denied.length > 0)
      report(
        objectKeyOf(policy),
        `a provider of HTTP can not be asked about connections that are not HTTP: on port ${denied.join(', ')} those that its rules match are denied. Use envoyExtAuthzGrpc, or say the ports that are meant`,
      )
  }
}

const isForPort = ({ to = [], when }: AuthorizationRule, port: string): boolean => {
  const takes = (values: readonly string[] = [], notValues: readonly string[] = []): boolean =>
    (values.length === 0 || values.includes(port)) && !notValues.includes(port)
  return (
    (to.length === 0 || to.some(({ operation }) => takes(operation.ports, operation.notPorts))) &&
    when.every(({ key, values, notValues }) => key !== 'destination.port' || takes(values, notValues))
  )
}

type HttpProvider = NonNullable<ExtensionProvider['envoyExtAuthzHttp']>
type GrpcProvider = NonNullable<ExtensionProvider['envoyExtAuthzGrpc']>
type Asked = ({ readonly kind: 'http' } & HttpProvider) | ({ readonly kind: 'grpc' } & GrpcProvider)

const toAsked = (provider: ExtensionProvider | undefined): Asked | undefined => {
  if (provider?.envoyExtAuthzHttp) return { kind: 'http', ...provider.envoyExtAuthzHttp }
  return provider?.envoyExtAuthzGrpc && { kind: 'grpc', ...provider.envoyExtAuthzGrpc }
}

const compileHttpCheck = (provider: HttpProvider): HttpCheck => {
  const { includeRequestHeadersInCheck: told, includeHeadersInCheck: toldBefore } = provider
  return {
    pathPrefix: provider.pathPrefix ?? '',
    told: (told.length > 0 ? told : toldBefore).map(toPattern),
    added: Object.entries(provider.includeAdditionalHeadersInCheck).map(([name, value]) => ({ name, value })),
    toUpstream: provider.headersToUpstreamOnAllow.map(toPattern),
    toAllowed: provider.headersToDownstreamOnAllow.map(toPattern),
    toDenied: provider.headersToDownstreamOnDeny.map(toPattern),
  }
}

const toPattern = (text: string): NamePattern => {
  if (text.startsWith('*')) return { kind: 'suffix', text: text.slice(1) }
  return text.endsWith('*') ? { kind: 'prefix', text: text.slice(0, -1) } : { kind: 'exact', text }
}

/** The services of the providers that policies of these namespaces ask. */
export const findAskedServices = (
  view: Pick<MeshView, 'meshConfig' | 'authorizationPolicies'>,
  namespaces: readonly string[],
): readonly ProviderService[] => {
  const { extensionProviders } = view.meshConfig()
  const policies = namespaces.flatMap((namespace) => view.authorizationPolicies(namespace))
  const names = new Set(policies.filter(({ spec }) => spec.action === 'CUSTOM').map(toProviderName))
  return [...names].flatMap((name) => {
    const provider = findProvider(extensionProviders, name)
    return (provider === 'own' ? undefined : toAsked(provider)) ?? []
  })
}
