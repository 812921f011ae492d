import { exportToAnnotation } from '../config/service.ts'
import { toPathText } from '../config/to-problems.ts'
import { compareText } from '../merge/compare-text.ts'
import type { ClusterName } from '../names.ts'
import type { Problem } from '../problem.ts'
import type { Service } from '../service.ts'
import { isShared } from '../visibility.ts'

/** What one cluster says of a service. */
export interface ClusterDefinition {
  readonly cluster: ClusterName
  readonly service: Service
  /** Absent = it says nothing of it: ServiceEntries, and Services outside Kubernetes, where none needs a virtual address. */
  readonly isHeadless?: boolean
}

/** One thing that definitions of a service say, in words; undefined = it says nothing of it. */
interface Aspect {
  readonly toPath: (service: Service) => string
  readonly of: string
  readonly toText: (definition: ClusterDefinition) => string | undefined
  /** What follows where they differ. */
  readonly consequence: string
}

/**
 * Where clusters say different things of one service (namespace sameness). Endpoints may differ, and with them target ports and selectors: each cluster's say where
 * they listen. What a cluster keeps for itself is not compared.
 * Istio: "MultiClusterInconsistentService".
 */
export const findDrift = (definitions: readonly ClusterDefinition[]): readonly Problem[] => {
  const shared = definitions
    .filter(({ service }) => isShared(service))
    .sort((left, right) => compareText(left.cluster, right.cluster))
  const [first] = shared
  if (!first || shared.length === 1) return []
  return [...portAspects(shared), ...otherAspects].flatMap(({ toPath, of, toText, consequence }) => {
    const byText = Map.groupBy(
      shared.filter((definition) => toText(definition) !== undefined),
      toText,
    )
    if (byText.size < 2) return []
    const said = [...byText].map(([text, group]) => `${text} in ${group.map(({ cluster }) => cluster).join(', ')}`)
    return [toProblem(first.service, toPath(first.service), `${of} is ${said.join('; ')}: ${consequence}`)]
  })
}

const portAspects = (definitions: readonly ClusterDefinition[]): readonly Aspect[] => {
  const numbers = new Set(definitions.flatMap(({ service }) => service.ports.map(({ number }) => number)))
  return [...numbers]
    .sort((left, right) => left - right)
    .map((number) => ({
      toPath: () => 'spec.ports',
      of: `port ${number}`,
      toText: ({ service }) => {
        const port = service.ports.find((each) => each.number === number)
        return port ? `${port.protocol}${port.name && ` "${port.name}"`}` : 'absent'
      },
      consequence: 'a cluster goes by what it says itself, and by the others where it says nothing',
    }))
}

const otherAspects: readonly Aspect[] = [
  {
    toPath: () => 'spec.resolution',
    of: 'resolution',
    toText: ({ service }) => service.resolution,
    consequence: 'a cluster goes by what it says itself, and uses no endpoints that do not fit it',
  },
  {
    toPath: () => 'spec.externalName',
    of: 'it',
    toText: ({ service: { source, aliasOf } }) =>
      source !== 'service' ? undefined : aliasOf === undefined ? 'no alias' : `an alias of ${aliasOf}`,
    consequence: 'a cluster goes by what it says itself',
  },
  {
    toPath: () => 'spec.clusterIP',
    of: 'it',
    toText: ({ isHeadless }) =>
      isHeadless === undefined ? undefined : isHeadless ? 'headless' : 'with a virtual address',
    consequence: 'clients of a headless service choose the endpoint themselves',
  },
  {
    toPath: ({ source }) =>
      source === 'service' ? toPathText(['metadata', 'annotations', exportToAnnotation]) : 'spec.exportTo',
    of: 'exportTo',
    toText: ({ service }) => service.exportTo.toSorted(compareText).join(','),
    consequence: 'who may call it depends on where it is called from',
  },
  {
    toPath: () => 'spec.trafficDistribution',
    of: 'trafficDistribution',
    toText: ({ service }) => (service.source === 'service' ? (service.trafficDistribution ?? 'none') : undefined),
    consequence: 'a cluster goes by what it says itself',
  },
]

const toProblem = ({ source, namespace, hostname }: Service, path: string, message: string): Problem => ({
  code: 'drift',
  severity: 'warning',
  object:
    source === 'service'
      ? { kind: 'Service', namespace, name: hostname.split('.', 1)[0] ?? hostname }
      : { kind: 'ServiceEntry', namespace, name: hostname },
  path,
  message,
})
