import { ownProvider, type ExtensionProvider } from '../config/schema/extension-providers.ts'

/** Those that are there without being defined; a mesh's own of the same name replaces one (Istio: mesh.DefaultMeshConfig, ApplyMeshConfig). */
const predefined: readonly ExtensionProvider[] = [
  { name: 'prometheus', prometheus: {} },
  { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout', omitEmptyValues: false } },
  { name: 'stackdriver', stackdriver: {} },
]

/** `own` = the mesh's store itself, `atoll`. */
type FoundProvider = ExtensionProvider | 'own'

/** The provider of a name, whose case does not matter, as in Istio. */
export const findProvider = (defined: readonly ExtensionProvider[], name: string): FoundProvider | undefined => {
  const lower = name.toLowerCase()
  if (lower === ownProvider) return 'own'
  return [...defined, ...predefined].find((each) => each.name.toLowerCase() === lower)
}

export type Signal = 'tracing' | 'metrics' | 'accessLogging'
/** What a provider is named for. */
type Purpose = Signal | 'authorization' | 'extension'

const kindsOf = {
  tracing: ['zipkin', 'datadog', 'skywalking', 'opentelemetry'],
  metrics: ['prometheus'],
  accessLogging: ['envoyFileAccessLog', 'envoyHttpAls', 'envoyTcpAls', 'envoyOtelAls'],
  authorization: ['envoyExtAuthzHttp', 'envoyExtAuthzGrpc'],
  extension: ['extProc', 'lua'],
} as const satisfies Record<Purpose, readonly (keyof ExtensionProvider)[]>

/** Those whose lack of an effect is told where they are defined. */
const idleKinds = ['lightstep', 'opencensus', 'stackdriver'] as const satisfies readonly (keyof ExtensionProvider)[]

const takes = (provider: ExtensionProvider, purpose: Purpose): boolean =>
  kindsOf[purpose].some((kind) => provider[kind] !== undefined)

export const takesAccessLogs = (provider: ExtensionProvider): boolean => takes(provider, 'accessLogging')
export const takesMetrics = (provider: ExtensionProvider): boolean => takes(provider, 'metrics')
export const takesTraces = (provider: ExtensionProvider): boolean => takes(provider, 'tracing')

/** Of the tag of a span that has the path; 0 = it does not say. */
export const toMaxTagLength = ({ zipkin, datadog, opentelemetry }: ExtensionProvider): number =>
  (zipkin ?? datadog ?? opentelemetry)?.maxTagLength ?? 0

/** A provider of a mesh as far as it matters who may name it. */
export interface KnownProvider {
  readonly name: string
  /** What it may be named for; `idle` = nothing follows from it, as is told where it is defined. */
  readonly takes: readonly (Purpose | 'idle')[]
  /** Of extensions: the namespaces whose objects may name it. */
  readonly namespaces?: readonly string[]
}

const purposes = Object.keys(kindsOf) as Purpose[]

export const toKnownProviders = (defined: readonly ExtensionProvider[]): readonly KnownProvider[] =>
  [...defined, ...predefined].map((provider) => ({
    name: provider.name,
    ...toNamespaces(provider),
    takes: [
      ...purposes.filter((purpose) => takes(provider, purpose)),
      ...(idleKinds.some((kind) => provider[kind] !== undefined) ? ['idle' as const] : []),
    ],
  }))

const toNamespaces = ({ extProc, lua }: ExtensionProvider): Pick<KnownProvider, 'namespaces'> => {
  const provider = extProc ?? lua
  return provider ? { namespaces: provider.namespaces } : {}
}

/** Why an object of a namespace can not have its proxies run a provider's extension. */
export const extensionFault = (
  known: readonly KnownProvider[],
  name: string,
  namespace: string,
): { readonly code: 'dangling_reference' | 'forbidden'; readonly message: string } | undefined => {
  const message = providerFault(known, name, 'extension')
  if (message !== undefined) return { code: 'dangling_reference', message }
  const found = known.find((each) => each.name.toLowerCase() === name.toLowerCase())
  return found?.namespaces?.some((each) => each === '*' || each === namespace)
    ? undefined
    : {
        code: 'forbidden',
        message: `the extension provider "${name}" is not for the namespace ${namespace}: its \`namespaces\`, in the mesh's settings, say whom it is for`,
      }
}

/** Why nothing follows from naming a provider for something; undefined = something does, or that is told elsewhere. */
export const providerFault = (known: readonly KnownProvider[], name: string, purpose: Purpose): string | undefined => {
  const lower = name.toLowerCase()
  const isTold = purpose !== 'authorization' && purpose !== 'extension'
  if (lower === ownProvider && isTold) return undefined
  const found = known.find((each) => each.name.toLowerCase() === lower)
  if (!found) return `there is no extension provider "${name}": define it in the mesh's extensionProviders`
  const isIdle = found.takes.includes('idle') && isTold
  return found.takes.includes(purpose) || isIdle ? undefined : `the extension provider "${name}" ${lacks[purpose]}`
}

const lacks: Readonly<Record<Purpose, string>> = {
  tracing: 'takes no traces',
  metrics: 'takes no metrics',
  accessLogging: 'takes no access logs',
  extension: 'is none that proxies run: extProc and lua are',
  authorization: 'is none that is asked who may call: envoyExtAuthzHttp and envoyExtAuthzGrpc are',
}
