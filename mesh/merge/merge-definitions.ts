import type { Problem } from '../problem.ts'
import type { Endpoint, Service, ServicePort } from '../service.ts'
import { compareText } from './compare-text.ts'

/** What a definition calls a port → what the merged service calls it, for those names that differ. */
export type PortRenames = ReadonlyMap<string, string>

export interface MergedDefinition {
  readonly service: Service
  /** What became of each definition that went in, in the same order. */
  readonly parts: readonly {
    readonly portRenames: PortRenames
    /** Whether its endpoints can stand beside those of the first one. */
    readonly isCompatible: boolean
  }[]
  readonly problems: readonly Problem[]
}

/**
 * One service out of several definitions of it (namespace sameness): fields and ports are the first one's, then ports that only later
 * ones have. A port is its number. A later port whose name is taken by another number is renamed "<name>-<number>".
 */
export const mergeDefinitions = (first: Service, ...others: readonly Service[]): MergedDefinition => {
  const ports = new Map<number, ServicePort>()
  const names = new Set<string>()
  const problems: Problem[] = []
  const parts = [first, ...others].map((definition) => {
    const portRenames = new Map<string, string>()
    for (const port of definition.ports) {
      const known = ports.get(port.number)
      if (known && known.protocol !== port.protocol) {
        problems.push(
          toConflict(
            definition,
            `port ${port.number} is ${port.protocol} here and ${known.protocol} in a definition that goes before: the latter holds`,
          ),
        )
      }
      const name = known?.name ?? toFreeName(port, names)
      if (!known) {
        names.add(name)
        ports.set(port.number, { ...port, name })
      }
      if (name !== port.name) portRenames.set(port.name, name)
    }
    const isCompatible = toAddressing(definition) === toAddressing(first)
    if (!isCompatible) {
      problems.push(
        toConflict(
          definition,
          `resolution is ${definition.resolution} here and ${first.resolution} in a definition that goes before: endpoints of this one are left out`,
        ),
      )
    }
    return { portRenames, isCompatible }
  })
  return { service: { ...first, ports: [...ports.values()] }, parts, problems }
}

/**
 * The endpoints of all definitions, `endpoints` in the order of `merged.parts`, with the ports named as in the merged service; sorted by
 * cluster, then id. Of several that have one id in one cluster the first definition's stays; what is the mesh's alone is none of those.
 */
export const combineEndpoints = (
  merged: MergedDefinition,
  endpoints: readonly (readonly Endpoint[])[],
): readonly Endpoint[] =>
  merged.parts
    .flatMap(({ isCompatible, portRenames }, index) =>
      isCompatible ? (endpoints[index] ?? []).map((endpoint) => renameEndpointPorts(endpoint, portRenames)) : [],
    )
    .sort(byIdentity)
    .filter((endpoint, index, sorted) => {
      const previous = sorted[index - 1]
      return previous === undefined || byIdentity(previous, endpoint) !== 0
    })

const byIdentity = (left: Endpoint, right: Endpoint): number =>
  compareText(left.cluster, right.cluster) ||
  compareText(left.id, right.id) ||
  Number(left.ofMesh === 'only') - Number(right.ofMesh === 'only')

const renameEndpointPorts = (endpoint: Endpoint, renames: PortRenames): Endpoint => {
  if (renames.size === 0) return endpoint
  const ports = Object.entries(endpoint.ports).map(([name, number]): [string, number] => [
    renames.get(name) ?? name,
    number,
  ])
  return { ...endpoint, ports: Object.fromEntries(ports) }
}

const maxPortName = 63

const toFreeName = ({ name, number }: ServicePort, taken: ReadonlySet<string>): string => {
  let free = name
  for (let suffix = `-${number}`; taken.has(free); suffix = `${suffix}-${number}`)
    free = `${name.slice(0, maxPortName - suffix.length)}${suffix}`
  return free
}

/** Envoy takes names and addresses in different kinds of Envoy clusters: one service can't have both. */
const toAddressing = ({ resolution }: Service): string => (resolution === 'dns-round-robin' ? 'dns' : resolution)

/** A warning to the object that defines a service, as far as the service tells which. */
export const toConflict = (service: Service, message: string): Problem => ({
  code: 'conflict',
  severity: 'warning',
  object: {
    kind: service.source === 'service' ? 'Service' : 'ServiceEntry',
    namespace: service.namespace,
    name: service.hostname,
  },
  path: '',
  message,
})
