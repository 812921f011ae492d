import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { clientAuthentication } from '#mesh/config/client-authentication.ts'
import { peerAuthentication } from '#mesh/config/peer-authentication.ts'
import { requestAuthentication } from '#mesh/config/request-authentication.ts'
import { objectKeyOf, parseObjectKey, type ConfigObject, type Origin } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { networkName, type ClusterName } from '#mesh/names.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { MeshView } from '#mesh/view.ts'

/** The kinds of which it is foretold what they make of calls. */
export const foretoldKinds: readonly string[] = [
  peerAuthentication.kind,
  requestAuthentication.kind,
  authorizationPolicy.kind,
  clientAuthentication.kind,
]

/** What is about to be written to the mesh's configuration, of these kinds. */
export interface Proposal {
  /** Objects that are new or changed, as they are then. */
  readonly objects: readonly ConfigObject[]
  /** Keys of those that are gone then. */
  readonly deleted: readonly string[]
  /** The mesh's settings of then, where these change: how sidecars take connections where no object says it. */
  readonly settings?: MeshSettings
}

/** Undefined: nothing of it says who may call. */
export const toProposal = ({ objects, deleted, settings }: Proposal): Proposal | undefined => {
  const proposal = {
    objects: objects.filter(({ kind }) => foretoldKinds.includes(kind)),
    deleted: deleted.filter((key) => foretoldKinds.includes(parseObjectKey(key)?.kind ?? '')),
  }
  if (settings) return { ...proposal, settings }
  return proposal.objects.length + proposal.deleted.length > 0 ? proposal : undefined
}

/** What the mesh says of these kinds, and is to say. */
export interface ProposedMesh {
  readonly settings: MeshSettings
  /** Keys of the objects that are new, changed, or gone then. */
  readonly changed: ReadonlySet<string>
  /** Of then. */
  readonly settingsThen: MeshSettings
  /** The mesh's objects as they are, and as they are then. */
  readonly objects: Readonly<Record<'before' | 'after', readonly ConfigObject[]>>
  /** As a cluster without objects of its own sees them; `added`: those alone that are new or changed. */
  readonly view: (cluster: ClusterName, which: 'before' | 'after' | 'added') => MeshView
}

/** Views are made once: each reads all of the mesh's objects. */
export const proposeMesh = (
  settings: MeshSettings,
  present: readonly ConfigObject[],
  proposal: Proposal,
): ProposedMesh => {
  const changed = new Set<string>(toChangedKeys(proposal))
  const after = [...present.filter((object) => !changed.has(objectKeyOf(object))), ...proposal.objects]
  const all = { before: present, after, added: proposal.objects }
  const settingsThen = proposal.settings ?? settings
  const views = new Map<string, MeshView>()
  return {
    settings,
    settingsThen,
    changed,
    objects: all,
    view: (cluster, which) =>
      getOrAdd(views, `${which} ${cluster}`, () =>
        toView(which === 'before' ? settings : settingsThen, cluster, { mesh: all[which], cluster: [] }),
      ),
  }
}

const toChangedKeys = ({ objects, deleted }: Proposal): readonly string[] => [...objects.map(objectKeyOf), ...deleted]

/** The namespaces whose workloads it may be for; undefined = all of them. */
export const toNamespaces = (proposal: Proposal, rootNamespace: string): readonly string[] | undefined => {
  if (proposal.settings) return undefined
  const named = [...new Set(toChangedKeys(proposal).map((key) => parseObjectKey(key)?.namespace ?? ''))]
  return named.includes(rootNamespace) ? undefined : named
}

/** As a cluster sees it with objects of its own. */
export const toView = (
  settings: MeshSettings,
  cluster: ClusterName,
  objects: Readonly<Record<Origin, readonly ConfigObject[]>>,
): MeshView => {
  const store = new MeshViewStore({
    localCluster: cluster,
    localNetwork: networkName.parse('any'),
    settings,
    trust: { roots: [], intermediates: [], epoch: 0 },
  })
  for (const origin of ['mesh', 'cluster'] as const)
    store.apply(objects[origin].map((value) => ({ kind: 'config', origin, key: objectKeyOf(value), value })))
  return store
}
