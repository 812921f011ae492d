import type { ProblemSources } from './list-problems.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { judgeObjects, type Judgement } from '#mesh/status/judge-objects.ts'
import { toPublishedCondition } from '#mesh/status/to-published-condition.ts'

/** What holds of all configuration objects in this cluster, by all that its agent knows. */
export const judgeCluster = ({
  platform,
  view,
  flow,
  credentials,
  delivery,
  publications,
}: Omit<ProblemSources, 'view'> & { readonly view: MeshViewStore }): Judgement => {
  const judgement = judgeObjects({
    held: view.configuration(),
    ownProblems: platform.registry.problems().map(({ problem }) => problem),
    leftOut: [...flow.problems, ...credentials.problems(), ...delivery.blamed()],
    known: {
      domainSuffix: view.settings().domainSuffix,
      defaults: view.meshConfig(),
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
