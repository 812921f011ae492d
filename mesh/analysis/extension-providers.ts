import type { Problem } from '../problem.ts'
import { extensionFault, providerFault, type KnownProvider, type Signal } from '../telemetry/find-provider.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

const signals: readonly Signal[] = ['tracing', 'metrics', 'accessLogging']

/** Extension providers that objects name, and the mesh has not, or not for that. Says nothing where its settings are not known. */
export const findProviderProblems = (objects: AnalyzedObjects, { defaults }: KnownMesh): readonly Problem[] => {
  const known = defaults?.providers
  return known ? [...findUntold(objects, known), ...findUnasked(objects, known), ...findForbidden(objects, known)] : []
}

const findUntold = ({ telemetries }: AnalyzedObjects, known: readonly KnownProvider[]): readonly Problem[] =>
  telemetries.flatMap((object) =>
    signals.flatMap((signal) =>
      object.spec[signal].flatMap(({ providers }, rule) =>
        providers.flatMap(({ name }, index) => {
          const fault = providerFault(known, name, signal)
          const path = ['spec', signal, rule, 'providers', index, 'name']
          return fault === undefined ? [] : [problemOf(object, 'dangling_reference', 'warning', path, fault)]
        }),
      ),
    ),
  )

const findUnasked = ({ authorizationPolicies }: AnalyzedObjects, known: readonly KnownProvider[]) =>
  authorizationPolicies.flatMap((object): readonly Problem[] => {
    const { action, provider } = object.spec
    if (action !== 'CUSTOM' || !provider) return []
    const fault = providerFault(known, provider.name, 'authorization')
    if (fault === undefined) return []
    const message = `${fault}. What the rules match is denied`
    return [problemOf(object, 'dangling_reference', 'warning', ['spec', 'provider', 'name'], message)]
  })

/** Who may have proxies run what is a permission of the mesh's settings: an object without it is refused. */
const findForbidden = ({ proxyExtensions }: AnalyzedObjects, known: readonly KnownProvider[]) =>
  proxyExtensions.flatMap((object): readonly Problem[] => {
    const fault = extensionFault(known, object.spec.provider.name, object.metadata.namespace)
    if (!fault) return []
    const severity = fault.code === 'forbidden' ? 'error' : 'warning'
    return [
      problemOf(
        object,
        fault.code,
        severity,
        ['spec', 'provider', 'name'],
        `${fault.message}. Its workloads take no requests`,
      ),
    ]
  })
