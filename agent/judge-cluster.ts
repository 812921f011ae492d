import type { ProblemSources } from './list-problems.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { judgeObjects, type Judgement } from '#mesh/status/judge-objects.ts'

/** What holds of all configuration objects in this cluster, by all that its agent knows. */
export const judgeCluster = ({
  platform,
  view,
  flow,
}: Omit<ProblemSources, 'view'> & { readonly view: MeshViewStore }): Judgement =>
  judgeObjects({
    held: view.configuration(),
    ownProblems: platform.registry.problems().map(({ problem }) => problem),
    leftOut: flow.problems,
    known: {
      domainSuffix: view.settings().domainSuffix,
      hasHost: (hostname) => view.servicesByHostname(hostname).length > 0,
    },
  })
