import type { Problem } from '../problem.ts'
import { providerFault, type Signal } from '../telemetry/find-provider.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

const signals: readonly Signal[] = ['tracing', 'metrics', 'accessLogging']

/** Providers of Telemetry objects that the mesh has not, or that take nothing of the kind. Says nothing where its settings are not known. */
export const findProviderProblems = ({ telemetries }: AnalyzedObjects, { defaults }: KnownMesh): readonly Problem[] => {
  const known = defaults?.providers
  if (!known) return []
  return telemetries.flatMap((object) =>
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
}
