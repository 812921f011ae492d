import { defaultMeshConfig } from '../config/mesh-config.ts'
import { istioNamespace } from '../kubernetes/installed-gateways.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/** Whose objects hold for all namespaces in an Istio that nobody has told otherwise. */
export const istioRootNamespace = istioNamespace

/** Objects that would hold for all namespaces in Istio, and do for one here. */
export const findMissedRootNamespace = (
  { sidecars, destinationRules, envoyFilters }: AnalyzedObjects,
  { defaults = defaultMeshConfig }: KnownMesh,
): readonly Problem[] => {
  const { rootNamespace } = defaults
  if (rootNamespace === istioRootNamespace) return []
  return [...sidecars, ...destinationRules, ...envoyFilters]
    .filter(({ metadata }) => metadata.namespace === istioRootNamespace)
    .map((object) =>
      problemOf(
        object,
        'ineffective',
        'warning',
        ['metadata', 'namespace'],
        `the mesh's root namespace is ${rootNamespace}: for all namespaces it holds there, or after "atoll mesh set --root-namespace ${istioRootNamespace}"`,
      ),
    )
}
