import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import { toServiceKey } from '#mesh/names.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { toUpstreamName } from './resource-names.ts'
import { resolveAlias, selectService } from './select-service.ts'

/** A server that an extension provider is, as clients of a namespace reach it. */
export interface ProviderServer {
  readonly service: Service
  /** Its EnvoyCluster: every client has it that tells it something. */
  readonly upstream: string
  readonly authority: string
}

/** "<namespace>/<host>" or "<host>". */
export const toProviderHost = (service: string): { readonly host: string; readonly namespace: string | undefined } => {
  const [host = '', namespace] = service.toLowerCase().split('/', 2).toReversed()
  return { host, namespace }
}

/**
 * The service that a provider names, which clients need not see (Istio: LookupCluster), else why there is none. Where clients of the namespace mean another service by
 * the host there is none either: an EnvoyCluster's name has no namespace, and whoever writes objects there is not to stand in for who is asked about them.
 */
export const findProviderServer = (
  view: MeshView,
  { service: text, port }: ProviderService,
  clientNamespace: string,
): Result<ProviderServer, string> => {
  const { host, namespace } = toProviderHost(text)
  const keys = view.servicesByHostname(host)
  const candidates = namespace === undefined ? keys : [toServiceKey(namespace, host)]
  const services = candidates.flatMap((key) => view.service(key) ?? [])
  const named = services.find(({ source }) => source === 'service') ?? services[0]
  if (!named) return err(`${text} is no service`)
  if (services.length > 1 && named.source !== 'service')
    return err(`${text} is a service of several namespaces: name one of them, such as ${named.key}`)
  const meant = selectService(view, keys, clientNamespace) ?? named
  if (meant.key !== named.key)
    return err(`${clientNamespace} has another service of the host ${host}: clients there can't reach ${named.key}`)
  const service = resolveAlias(view, named, clientNamespace)
  if (!service.ports.some(({ number }) => number === port)) return err(`${text} has no port ${port}`)
  return ok({ service, upstream: toUpstreamName(port, '', service.hostname), authority: host })
}

/** One that has to speak gRPC: over anything else it could not be asked, and who fails open would let everybody through. */
export const findGrpcServer = (
  view: MeshView,
  asked: ProviderService,
  clientNamespace: string,
): Result<ProviderServer, string> => {
  const server = findProviderServer(view, asked, clientNamespace)
  if (!server.ok) return server
  const protocol = server.value.service.ports.find(({ number }) => number === asked.port)?.protocol ?? 'not known'
  return protocol === 'grpc' || protocol === 'http2'
    ? server
    : err(`port ${asked.port} of ${asked.service} is ${protocol}, which must be grpc`)
}
