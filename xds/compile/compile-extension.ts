import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import type { ProxyExtensionSpec } from '#mesh/config/proxy-extension.ts'
import { toMilliseconds } from '#mesh/config/schema/duration.ts'
import type { ExtensionProvider } from '#mesh/config/schema/extension-providers.ts'
import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import { extensionFault, findProvider, toKnownProviders } from '#mesh/telemetry/find-provider.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Extension, Processor } from '#xds/model/extension.ts'
import { findGrpcServer } from './find-provider-server.ts'
import type { Report } from './report.ts'

type ProxyExtension = Sourced<ProxyExtensionSpec>

const closed = 'its workloads take no requests'

/** What ProxyExtensions of one workload have its proxy run; undefined = nothing. Of two that differ none is run: which one would be first is nobody's choice. */
export const compileExtension = (
  view: MeshView,
  extensions: readonly ProxyExtension[],
  clientNamespace: string,
  report: Report,
): Extension | undefined => {
  if (extensions.length === 0) return undefined
  const objects = [...new Set(extensions.map(objectKeyOf))]
  const names = [...new Set(extensions.map(toProviderName))]
  const found = extensions.map((each) => findExtension(view, each, clientNamespace))
  for (const [index, each] of extensions.entries()) {
    const own = found[index]
    if (own?.ok === false) report(objectKeyOf(each), `${own.error}: ${closed}`)
    else if (names.length > 1)
      report(objectKeyOf(each), `other objects of its workloads name other providers, and a proxy runs one: ${closed}`)
  }
  const [first] = found
  return names.length === 1 && found.every((each) => each.ok) && first?.ok
    ? { objects, runs: first.value }
    : { objects }
}

const toProviderName = ({ spec }: ProxyExtension): string => spec.provider.name.toLowerCase()

const findExtension = (
  view: MeshView,
  { metadata, spec }: ProxyExtension,
  clientNamespace: string,
): Result<NonNullable<Extension['runs']>, string> => {
  const { extensionProviders } = view.meshConfig()
  const { name } = spec.provider
  const fault = extensionFault(toKnownProviders(extensionProviders), name, metadata.namespace)
  if (fault) return err(fault.message)
  const provider = findProvider(extensionProviders, name)
  const { lua, extProc } = provider === 'own' || provider === undefined ? {} : provider
  if (lua) return ok({ kind: 'lua', code: lua.code })
  if (!extProc) return err(`there is no extension provider "${name}"`)
  const server = findGrpcServer(view, extProc, clientNamespace)
  if (!server.ok) return err(`the extension provider "${name}" can not be asked: ${server.error}`)
  return ok(toProcessor(extProc, server.value))
}

const toProcessor = (
  extProc: NonNullable<ExtensionProvider['extProc']>,
  { upstream, authority }: Pick<Processor, 'upstream' | 'authority'>,
): Processor => ({
  kind: 'ext-proc',
  upstream,
  authority,
  timeoutMs: toMilliseconds(extProc.timeout),
  failsOpen: extProc.failOpen,
  ...(extProc.statusOnError !== undefined && { statusOnError: Number(extProc.statusOnError) }),
  told: {
    requestHeaders: extProc.requestHeaderMode === 'SEND',
    responseHeaders: extProc.responseHeaderMode === 'SEND',
    requestBody: extProc.requestBodyMode,
    responseBody: extProc.responseBodyMode,
  },
})

/** The services of the providers that ProxyExtensions of these namespaces name. */
export const findProcessingServices = (
  view: Pick<MeshView, 'meshConfig' | 'proxyExtensions'>,
  namespaces: readonly string[],
): readonly ProviderService[] => {
  const { extensionProviders } = view.meshConfig()
  const names = new Set(namespaces.flatMap((namespace) => view.proxyExtensions(namespace)).map(toProviderName))
  return [...names].flatMap((name) => {
    const provider = findProvider(extensionProviders, name)
    return (provider === 'own' ? undefined : provider?.extProc) ?? []
  })
}
