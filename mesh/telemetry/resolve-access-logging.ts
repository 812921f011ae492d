import type { MeshConfig } from '../config/mesh-config.ts'
import { ownProvider } from '../config/schema/extension-providers.ts'
import type { AccessLoggingRule } from '../config/telemetry.ts'
import { compareText } from '../merge/compare-text.ts'
import { findProvider, takesAccessLogs } from './find-provider.ts'
import type { AccessLogger } from './telemetry-for-proxy.ts'

interface State {
  /** `by-name` = by a rule that names it. */
  readonly disabled: false | 'by-name' | 'with-all'
  readonly filter: string | undefined
}

/** By the name of a provider in small letters. */
type States = ReadonlyMap<string, State>

const on: State = { disabled: false, filter: undefined }

/** No provider is called so. */
export const meshFile = ''

/**
 * Who is told of calls (Istio reference: AccessLogging). The providers that an object names take the place of those that its parents do; a rule
 * that names none is for all that there are, the mesh's store among them. That one is in nobody's place: naming others leaves it on, and naming it
 * alone leaves others as they are. `levels` = of each object, the widest first, the rules for one side of calls.
 */
export const resolveAccessLogging = (
  settings: MeshConfig,
  levels: readonly (readonly AccessLoggingRule[])[],
): readonly AccessLogger[] => {
  const states = levels.reduce(applyLevel, toDefaults(settings))
  return [...states]
    .filter(([, { disabled }]) => !disabled)
    .toSorted(([one], [other]) => toRank(one) - toRank(other) || compareText(one, other))
    .flatMap(([name, { filter }]) => {
      const to = name === meshFile ? 'mesh-file' : findProvider(settings.extensionProviders, name)
      if (to === undefined || (typeof to === 'object' && !takesAccessLogs(to))) return []
      return [{ to, ...(filter !== undefined && { filter }) }]
    })
}

const toRank = (name: string): number => (name === ownProvider ? 0 : 1)

const toDefaults = ({ defaultProviders, accessLogFile }: MeshConfig): States => {
  const names = defaultProviders.accessLogging.map((name) => name.toLowerCase())
  const others = names.length === 0 && accessLogFile !== undefined ? [meshFile] : names
  return new Map([ownProvider, ...others].map((name) => [name, on]))
}

/** In small letters, as names are compared. */
export const namesOf = ({ providers }: AccessLoggingRule): readonly string[] =>
  providers.map(({ name }) => name.toLowerCase())

const applyLevel = (inherited: States, rules: readonly AccessLoggingRule[]): States => {
  const named = new Set(rules.flatMap(namesOf).filter((name) => name !== ownProvider))
  // A provider that comes in is off until a rule says it.
  const scope =
    named.size === 0
      ? [...inherited]
      : [ownProvider, ...named].map((name): [string, State] => [
          name,
          inherited.get(name) ?? { ...on, disabled: 'with-all' },
        ])
  return rules.reduce<States>(applyRule, new Map(scope))
}

const applyRule = (states: States, rule: AccessLoggingRule): States => {
  const names = namesOf(rule)
  const filter = rule.filter?.expression
  // As in Istio, whom a rule is for is on, unless it says otherwise: but the mesh's store stays off where it was said of that by name.
  const toState = (name: string, before: State | undefined): State => {
    if (names.length > 0) return { disabled: rule.disabled === true && 'by-name', filter }
    const staysOff = name === ownProvider && rule.disabled === undefined && before?.disabled === 'by-name'
    const disabled = staysOff ? 'by-name' : rule.disabled === true && 'with-all'
    return { disabled, filter: filter ?? before?.filter }
  }
  const concerned = names.length > 0 ? names : [...states.keys()]
  return new Map([...states, ...concerned.map((name): [string, State] => [name, toState(name, states.get(name))])])
}
