import { z } from 'zod'
import { istioNetworking } from './kind-definition.ts'
import type { KindDefinition, Report } from './kind-definition.ts'
import { envoyFilterMatch, maxVersionLength } from './schema/envoy-filter-match.ts'
import { workloadSelector } from './schema/labels.ts'
import { checked, choice, fieldNotes, message, unsupported } from './schema/message.ts'
import { oldFilterNames } from './schema/old-filter-names.ts'

const listenerParts = ['LISTENER', 'FILTER_CHAIN', 'NETWORK_FILTER', 'HTTP_FILTER'] as const
const routeParts = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'] as const
const patchedParts = [...listenerParts, 'LISTENER_FILTER', ...routeParts, 'CLUSTER'] as const
export type PatchedPart = (typeof patchedParts)[number]

const applyTo = choice(patchedParts, {
  INVALID: 'say what is patched',
  EXTENSION_CONFIG: 'extensions are not discovered: write the filter where it is used (applyTo HTTP_FILTER)',
  BOOTSTRAP: "a proxy's bootstrap is made before it is in the mesh: atoll bootstrap and injection write it",
})

const operation = choice(
  ['MERGE', 'ADD', 'REMOVE', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST', 'REPLACE', 'MERGE_AND_REPLACE_LIST'],
  { INVALID: 'say what is done' },
)

/** An Envoy message in its JSON form. What type it has depends on `applyTo`: whether it is one is checked where the types are. */
const patchValue: z.ZodType<Readonly<Record<string, unknown>>> = z.looseObject({})

const patch = checked(
  message({
    operation,
    value: patchValue.optional(),
    filterClass: choice(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS'])
      .optional()
      .register(fieldNotes, { withoutEffect: true }),
  }),
  ({ value, report }) => {
    if (value.operation !== 'REMOVE' && value.value === undefined)
      report('is required, unless the operation is REMOVE', ['value'])
  },
)

const connectionManagers: readonly string[] = [
  'envoy.filters.network.http_connection_manager',
  'envoy.http_connection_manager',
]

const isOneOf = (part: PatchedPart, parts: readonly PatchedPart[]): boolean => parts.includes(part)

/** Which field of a match is for what is patched; undefined = any. */
const toMatchField = (part: PatchedPart): 'listener' | 'routeConfiguration' | 'cluster' | undefined => {
  if (isOneOf(part, listenerParts)) return 'listener'
  if (isOneOf(part, routeParts)) return 'routeConfiguration'
  return part === 'CLUSTER' ? 'cluster' : undefined
}

const configPatch = checked(
  message({ applyTo, match: envoyFilterMatch.default({ context: 'ANY' }), patch }),
  ({ value: { applyTo: part, match }, report }) => {
    const expected = toMatchField(part)
    const given = (['listener', 'routeConfiguration', 'cluster'] as const).find((field) => match[field] !== undefined)
    if (expected !== undefined && given !== undefined && given !== expected)
      report(`${part} is selected by ${expected}`, ['match', given])
    const filter = match.listener?.filterChain?.filter
    if (!filter?.subFilter || expected !== 'listener') return
    const path = ['match', 'listener', 'filterChain', 'filter', 'subFilter']
    if (part !== 'HTTP_FILTER') report('is for applyTo HTTP_FILTER only', path)
    else if (!connectionManagers.includes(filter.name)) report(`needs the filter ${connectionManagers[0]}`, path)
  },
)
export type ConfigPatch = z.output<typeof configPatch>

/** Istio reference: networking/envoy-filter. */
export const envoyFilterSpec = message({
  workloadSelector: workloadSelector.optional(),
  targetRefs: unsupported("selects gateways of the Gateway API, which Atoll's are not: use workloadSelector"),
  configPatches: z.array(configPatch).default([]),
  /** Smaller ones first. */
  priority: z.int().min(-0x8000_0000).max(0x7fff_ffff).default(0),
})
export type EnvoyFilterSpec = z.output<typeof envoyFilterSpec>

/** Names of proxies' metadata that a match may ask for. */
const knownMetadata: readonly string[] = ['NAME', 'NAMESPACE', 'SERVICE_ACCOUNT', 'CLUSTER_ID', 'NETWORK']

const checkMatch = ({ applyTo: part, match }: ConfigPatch, path: readonly PropertyKey[], report: Report): void => {
  const warn = (inner: readonly PropertyKey[], text: string) =>
    report([...path, 'match', ...inner], text, { severity: 'warning' })
  const { proxy, listener } = match
  if (proxy?.proxyVersion !== undefined && proxy.proxyVersion.length > maxVersionLength)
    warn(['proxy', 'proxyVersion'], `is longer than ${maxVersionLength} characters: it selects no proxy`)
  for (const name of Object.keys(proxy?.metadata ?? {}))
    if (!knownMetadata.includes(name))
      warn(['proxy', 'metadata', name], `selects no proxy: there are ${knownMetadata.join(', ')}`)
  if (listener?.filterChain?.filter && isOneOf(part, ['LISTENER', 'FILTER_CHAIN']))
    warn(['listener', 'filterChain', 'filter'], `has no effect on ${part}`)
  const { filterChain: { filter } = {}, listenerFilter } = listener ?? {}
  const warnOfOld = (names: ReadonlyMap<string, string>, name: string | undefined, inner: readonly PropertyKey[]) => {
    const today = name === undefined ? undefined : names.get(name)
    if (today !== undefined)
      warn(['listener', ...inner], `is a deprecated name, which Envoy's own filter does not have: use "${today}"`)
  }
  warnOfOld(oldFilterNames.network, filter?.name, ['filterChain', 'filter', 'name'])
  warnOfOld(oldFilterNames.http, filter?.subFilter?.name, ['filterChain', 'filter', 'subFilter', 'name'])
  warnOfOld(oldFilterNames.listener, listenerFilter, ['listenerFilter'])
}

/** Istio's analysis: IST0152 to IST0154. */
const findIgnored = ({ applyTo: part, patch: { operation: does } }: ConfigPatch): string | undefined => {
  if (does === 'ADD' && part === 'ROUTE_CONFIGURATION') return 'ADD has no effect on ROUTE_CONFIGURATION'
  if (does === 'REMOVE' && part === 'ROUTE_CONFIGURATION') return 'REMOVE has no effect on ROUTE_CONFIGURATION'
  const isReplaceable = isOneOf(part, ['NETWORK_FILTER', 'HTTP_FILTER', 'LISTENER_FILTER', 'VIRTUAL_HOST'])
  return does === 'REPLACE' && !isReplaceable ? `REPLACE has no effect on ${part}` : undefined
}

const relative: readonly string[] = ['INSERT_BEFORE', 'INSERT_AFTER', 'REMOVE', 'REPLACE']

/** Istio's analysis: IST0151, and IST0155 with a version. */
const findUnordered = (
  { match, patch: { operation: does } }: ConfigPatch,
  { priority }: EnvoyFilterSpec,
): string | undefined => {
  if (priority !== 0 || !relative.includes(does)) return undefined
  const forOneVersion = match.proxy?.proxyVersion === undefined ? '' : ', and only with proxies of some version'
  return `${does} depends on what other EnvoyFilters do before${forOneVersion}: set spec.priority`
}

export const envoyFilter: KindDefinition<EnvoyFilterSpec> = {
  ...istioNetworking,
  versions: ['v1alpha3'],
  kind: 'EnvoyFilter',
  plural: 'envoyfilters',
  schema: envoyFilterSpec,
  check({ spec }, report) {
    if (spec.workloadSelector && Object.keys(spec.workloadSelector.labels ?? {}).length === 0)
      report(['spec', 'workloadSelector'], 'selects every workload of the namespace', { severity: 'warning' })
    for (const [index, each] of spec.configPatches.entries()) {
      const path = ['spec', 'configPatches', index]
      checkMatch(each, path, report)
      const doubt = findIgnored(each) ?? findUnordered(each, spec)
      if (doubt !== undefined) report([...path, 'patch', 'operation'], doubt, { severity: 'warning' })
    }
  },
}
