import { selectOwnDefinitions } from './custom-resource-definitions.ts'
import type { UpstreamDefinition } from './custom-resource-definitions.ts'
import type { ApplyOutcome, KubernetesApi } from './kubernetes-api.ts'
import { isInstalled } from './keep-gateways.ts'
import { toObjectPath, toObjectText } from './kubernetes-object.ts'
import type { KubernetesObject, ObjectReference } from './kubernetes-object.ts'
import { buildManifests, installedReferences, referencesAtIstio } from './manifests/build-manifests.ts'
import type { InstallSettings } from './manifests/install-settings.ts'

export type InstallOutcome = ApplyOutcome | 'removed'

/**
 * Applies everything in order and takes away what the settings have no more. It can be done again at any time: after an
 * interruption, for other settings, for a newer version.
 */
export const install = async (
  api: KubernetesApi,
  settings: InstallSettings,
  definitions: readonly UpstreamDefinition[],
  report: (object: ObjectReference, outcome: InstallOutcome) => void,
): Promise<void> => {
  const own = await selectOwnDefinitions(api, definitions)
  const manifests: readonly KubernetesObject[] = [...own.map(({ object }) => object), ...buildManifests(settings)]
  for (const object of manifests) report(object, await api.apply(object))
  const applied = new Set(manifests.map(toObjectPath))
  // Of a gateway that goes, the namespace stays: people's certificates are in it.
  for (const reference of installedReferences.filter(({ kind }) => kind !== 'Namespace')) {
    if (!applied.has(toObjectPath(reference)) && (await api.remove(reference))) report(reference, 'removed')
  }
  for (const reference of referencesAtIstio) {
    if (applied.has(toObjectPath(reference)) || !(await isInstalled(api, reference))) continue
    if (await api.remove(reference)) report(reference, 'removed')
  }
}

/** "Deployment atoll-system/atoll-agent created" */
export const toInstallLine = (object: ObjectReference, outcome: InstallOutcome): string =>
  `${toObjectText(object)} ${outcome}`
