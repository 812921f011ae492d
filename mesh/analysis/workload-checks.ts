import type { ConfigObject, Configured } from '../config-object.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { isProxied, type ServiceSpec } from '../config/service.ts'
import type { SidecarSpec } from '../config/sidecar.ts'
import { hasLabels } from '../has-labels.ts'
import type { Problem } from '../problem.ts'
import { selectProtocol } from '../registry-records/select-protocol.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import { withoutTopology } from '../topology.ts'
import { nameOf, problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import { FirstByOwner } from './first-by-owner.ts'
import type { KnownMesh, KnownWorkload } from './known-mesh.ts'
import { olderOf } from './older-of.ts'

type Labels = Readonly<Record<string, string>>
type Sidecar = Configured<SidecarSpec>

/**
 * What selects no workload, and Services that disagree about a port of a workload that they share. Says nothing where the workloads are
 * not known.
 */
export const findWorkloadProblems = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => {
  const { workloads } = known
  if (!workloads) return []
  return [
    ...findIdleSelectors(objects, workloads, (known.defaults ?? defaultMeshConfig).rootNamespace),
    ...findIdleSubsets(objects, workloads, known.domainSuffix),
    ...findDisagreements(objects, workloads),
    ...findSharedSidecars(objects, workloads),
    ...findHiddenPorts(objects, workloads),
  ]
}

interface Selecting {
  readonly object: Omit<ConfigObject, 'spec'>
  readonly labels: Labels
  readonly path: readonly string[]
  /** Absent = of all namespaces. */
  readonly namespace?: string
}

const ofEveryNamespace = ({ object, labels, path }: Selecting): Selecting => ({ object, labels, path })

const findIdleSelectors = (
  objects: AnalyzedObjects,
  workloads: readonly KnownWorkload[],
  rootNamespace: string,
): readonly Problem[] => {
  const ofNamespace = (object: Selecting['object'], labels: Labels | undefined, field: string): Selecting[] =>
    Object.keys(labels ?? {}).length === 0
      ? []
      : [{ object, labels: labels ?? {}, path: ['spec', field], namespace: object.metadata.namespace }]
  const selecting = [
    ...objects.sidecars.flatMap((each) => ofNamespace(each, each.spec.workloadSelector?.labels, 'workloadSelector')),
    ...objects.services.flatMap((each) => ofNamespace(each, each.spec.selector, 'selector')),
    ...objects.serviceEntries.flatMap((each) =>
      ofNamespace(each, each.spec.workloadSelector?.labels, 'workloadSelector'),
    ),
    ...objects.destinationRules.flatMap((each) =>
      ofNamespace(each, each.spec.workloadSelector?.matchLabels, 'workloadSelector'),
    ),
    ...objects.envoyFilters.flatMap((each) => {
      const ofOwn = ofNamespace(each, each.spec.workloadSelector?.labels, 'workloadSelector')
      return each.metadata.namespace === rootNamespace ? ofOwn.map(ofEveryNamespace) : ofOwn
    }),
    ...objects.gateways.map((each): Selecting => ({
      object: each,
      labels: each.spec.selector ?? {},
      path: ['spec', 'selector'],
    })),
  ]
  return selecting
    .filter(({ labels, namespace }) => {
      const carried = withoutTopology(labels)
      return !workloads.some((workload) => isSelected(workload, carried, namespace))
    })
    .map(({ object, labels, path, namespace }) => {
      const where = namespace === undefined ? '' : ` of namespace ${namespace}`
      return problemOf(object, 'selects_nothing', 'warning', path, `no workload${where} has ${toText(labels)}`)
    })
}

const findIdleSubsets = (
  objects: AnalyzedObjects,
  workloads: readonly KnownWorkload[],
  domainSuffix: string,
): readonly Problem[] => {
  const byHost = new Map(
    objects.services.map((each) => [
      toServiceHostname(each.metadata.name, each.metadata.namespace, domainSuffix),
      each,
    ]),
  )
  return objects.destinationRules.flatMap((rule) => {
    const host = resolveHost(rule.spec.host, rule.metadata.namespace, domainSuffix)
    const service = byHost.get(host)
    const selector = service?.spec.selector
    if (!service || !selector || Object.keys(selector).length === 0) return []
    const served = workloads.filter((each) => isSelected(each, selector, service.metadata.namespace))
    if (served.length === 0) return []
    return (rule.spec.subsets ?? []).flatMap(({ name, labels = {} }, index) =>
      served.some((each) => isSelected(each, withoutTopology(labels)))
        ? []
        : problemOf(
            rule,
            'selects_nothing',
            'warning',
            ['spec', 'subsets', index, 'labels'],
            `no workload of ${host} has ${toText(labels)}: who is sent to subset ${name} gets 503`,
          ),
    )
  })
}

/** Envoy hears one protocol on a port; Istio: a port of a workload is the same port of all of its services. */
const findDisagreements = (objects: AnalyzedObjects, workloads: readonly KnownWorkload[]): readonly Problem[] => {
  const claims = objects.services.flatMap((service) =>
    // Without a selector it has other endpoints than workloads, or is another name.
    (isSelecting(service) ? service.spec.ports : []).flatMap((port, index) => {
      const target = port.targetPort ?? port.port
      const protocol = selectProtocol({ explicit: port.appProtocol, name: port.name ?? '', number: port.port })
      return isProxied(port) ? [{ service, port, index, target, protocol }] : []
    }),
  )
  const byTarget = Map.groupBy(claims, ({ service, target }) => `${service.metadata.namespace}/${target}`)
  return [...byTarget.values()].flatMap((group) =>
    group.flatMap((claim) => {
      const rival = group.find(
        (other) =>
          other.service !== claim.service &&
          other.protocol !== claim.protocol &&
          workloads.some(
            (each) =>
              isSelected(each, claim.service.spec.selector ?? {}, claim.service.metadata.namespace) &&
              isSelected(each, other.service.spec.selector ?? {}, other.service.metadata.namespace),
          ),
      )
      if (!rival) return []
      const message = `is ${claim.protocol} at port ${claim.target} of workloads where ${nameOf(rival.service)} says ${rival.protocol}: a proxy hears one of them`
      return [problemOf(claim.service, 'ambiguous', 'warning', ['spec', 'ports', claim.index], message)]
    }),
  )
}

/** Sidecars that select the same workload: one of them counts. Istio: "ConflictingSidecarWorkloadSelectors". */
const findSharedSidecars = ({ sidecars }: AnalyzedObjects, workloads: readonly KnownWorkload[]): readonly Problem[] => {
  const selecting = sidecars.flatMap((sidecar) => {
    const labels = sidecar.spec.workloadSelector?.labels ?? {}
    if (Object.keys(labels).length === 0) return []
    return [{ sidecar, selected: workloads.filter((each) => isSelected(each, labels, sidecar.metadata.namespace)) }]
  })
  const byWorkload = new Map<KnownWorkload, FirstByOwner<Sidecar>>()
  for (const { sidecar, selected } of selecting)
    for (const workload of selected)
      getOrAdd(byWorkload, workload, () => new FirstByOwner<Sidecar>()).add(sidecar, sidecar)
  return selecting.flatMap(({ sidecar, selected }) => {
    const others = selected.map((workload) => byWorkload.get(workload)?.ofAnother(sidecar))
    const other = others.find((each) => each !== undefined)
    if (!other) return []
    const message = `${nameOf(other)} selects some of the same workloads: ${olderOf(sidecar, other)} holds`
    return [problemOf(sidecar, 'conflict', 'warning', ['spec', 'workloadSelector'], message)]
  })
}

/** Servers of Gateways on ports that no Service of their workloads leads to. Istio: "GatewayPortNotDefinedOnService". */
const findHiddenPorts = (
  { gateways, services }: AnalyzedObjects,
  workloads: readonly KnownWorkload[],
): readonly Problem[] =>
  gateways.flatMap((gateway) => {
    const { selector = {}, servers } = gateway.spec
    const selected = workloads.filter((each) => isSelected(each, withoutTopology(selector)))
    const leading = services.filter(
      ({ metadata, spec: { selector: wanted = {} } }) =>
        Object.keys(wanted).length > 0 && selected.some((each) => isSelected(each, wanted, metadata.namespace)),
    )
    if (leading.length === 0) return []
    const ports = new Set(
      leading.flatMap(({ spec }) => spec.ports.flatMap(({ port, targetPort }) => [port, targetPort])),
    )
    return servers.flatMap(({ port: { number } }, index) => {
      if (number === undefined || ports.has(number)) return []
      const message = `no Service of the gateway's workloads has port ${number}: ${leading.map(nameOf).join(', ')}`
      return [
        problemOf(gateway, 'dangling_reference', 'warning', ['spec', 'servers', index, 'port', 'number'], message),
      ]
    })
  })

const isSelecting = ({ spec: { selector = {} } }: Configured<ServiceSpec>): boolean => Object.keys(selector).length > 0

const isSelected = (workload: KnownWorkload, labels: Labels, namespace = workload.namespace): boolean =>
  workload.namespace === namespace && hasLabels(workload.labels, labels)

const toText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ') || 'any label'
