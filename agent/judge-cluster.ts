import { toMeshDefaults } from '#mesh/analysis/known-mesh.ts'
import type { ProxyCredentials } from './credentials/proxy-credentials.ts'
import type { ProblemSources } from './list-problems.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { judgeObjects, type Judgement, type ObjectTrouble } from '#mesh/status/judge-objects.ts'
import { toPublishedCondition } from '#mesh/status/to-published-condition.ts'

interface JudgeSources extends Omit<ProblemSources, 'view' | 'credentials'> {
  readonly view: MeshViewStore
  readonly credentials: Pick<ProxyCredentials, 'problems' | 'undecided'>
  /** What was told before of the mesh's objects. */
  readonly earlier: readonly ObjectTrouble[]
}

/** What holds of all configuration objects in this cluster, by all that its agent knows. */
export const judgeCluster = ({
  platform,
  view,
  flow,
  credentials,
  outside,
  delivery,
  publications,
  earlier,
}: JudgeSources): Judgement => {
  const judgement = judgeObjects({
    held: view.configuration(),
    ownProblems: platform.registry.problems().map(({ problem }) => problem),
    undecided: { keys: credentials.undecided, earlier },
    leftOut: [...flow.problems, ...credentials.problems(), ...outside.problems(), ...delivery.blamed()],
    known: {
      domainSuffix: view.settings().domainSuffix,
      defaults: toMeshDefaults(view.meshConfig()),
      networks: view.networks(),
      hasHost: (hostname) => view.servicesByHostname(hostname).length > 0,
      aliasOf: (hostname) => view.servicesByHostname(hostname).flatMap((key) => view.service(key)?.aliasOf ?? [])[0],
    },
  })
  return {
    ...judgement,
    clusterConditions: (key) => {
      const publication = publications.stateOf(key)
      return [...judgement.clusterConditions(key), ...(publication ? [toPublishedCondition(publication)] : [])]
    },
  }
}
