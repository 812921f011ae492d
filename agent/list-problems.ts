import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { DeliveryTracker } from './ads/delivery-tracker.ts'
import type { ProxyCredentials } from './credentials/proxy-credentials.ts'
import type { OutsideSources } from './outside/outside-sources.ts'
import type { JoinedPlatform } from './platform/cluster-platform.ts'
import type { ChangeFlow } from './programming/change-flow.ts'
import type { Registry } from './registry/registry.ts'
import type { PublicationReporter } from './uplink/publication-reporter.ts'

export interface ProblemSources {
  readonly platform: Pick<JoinedPlatform, 'problems'> & { readonly registry: Pick<Registry, 'problems'> }
  readonly credentials: Pick<ProxyCredentials, 'problems' | 'unnamedProblems'>
  readonly outside: Pick<OutsideSources, 'problems'>
  readonly view: Pick<MeshViewStore, 'problems'>
  readonly flow: Pick<ChangeFlow, 'problems'>
  readonly delivery: Pick<DeliveryTracker, 'blamed'>
  readonly publications: Pick<PublicationReporter, 'problems' | 'stateOf'>
}

/** All that is wrong with what an agent was given, a line each, for people. */
export function* listProblems({
  platform,
  credentials,
  outside,
  view,
  flow,
  delivery,
  publications,
}: ProblemSources): Iterable<string> {
  for (const { source, problem } of platform.registry.problems())
    yield `${source}: ${toObjectText(problem.object)}${problem.path} ${problem.message}`
  yield* platform.problems()
  yield* credentials.unnamedProblems()
  yield* publications.problems()
  for (const { object, path, message } of view.problems()) yield `${toObjectText(object)}${path} ${message}`
  for (const { object, message } of [
    ...flow.problems,
    ...credentials.problems(),
    ...outside.problems(),
    ...delivery.blamed(),
  ])
    yield `${object}: ${message}`
}

const toObjectText = (object: { kind: string; namespace: string; name: string } | undefined): string =>
  object ? `${object.kind}/${object.namespace}/${object.name}: ` : ''
