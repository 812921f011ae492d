import type { ConfigObject, Configured } from '../config-object.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { isProxied, type ServiceSpec } from '../config/service.ts'
import { isGatewayTarget, targetsOf, type PolicyTarget } from '../config/schema/policy-target.ts'
import { hasLabels } from '../has-labels.ts'
import type { Problem } from '../problem.ts'
import { selectProtocol } from '../registry-records/select-protocol.ts'
import { getOrAdd } from '../merge/get-or-add.ts'
import { MultiMap } from '../merge/multi-map.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import { gatewayNameLabel } from '../selects-place.ts'
import { withoutTopology } from '../topology.ts'
import { nameOf, problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import { FirstByOwner } from './first-by-owner.ts'
import type { KnownMesh, KnownWorkload } from './known-mesh.ts'
import { NamespacedLabelIndex, type Labels } from './label-index.ts'
import { olderOf } from './older-of.ts'

type Service = Configured<ServiceSpec>
type Workloads = NamespacedLabelIndex<KnownWorkload>
/** Services that have a selector, each with what it selects. */
type ServiceWorkloads = ReadonlyMap<Service, readonly KnownWorkload[]>

/**
 * What selects no workload, and Services that disagree about a port of a workload that they share. Says nothing where the workloads are
 * not known.
 */
export const findWorkloadProblems = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => {
  if (!known.workloads) return []
  const workloads: Workloads = new NamespacedLabelIndex(
    known.workloads,
    ({ namespace }) => namespace,
    ({ labels }) => labels,
  )
  const ofServices: ServiceWorkloads = new Map(
    objects.services.filter(isSelecting).map((each) => {
      const { metadata, spec } = each
      return [each, workloads.select(spec.selector ?? {}, metadata.namespace)]
    }),
  )
  return [
    ...findIdleSelectors(objects, workloads, (known.defaults ?? defaultMeshConfig).rootNamespace),
    ...findIdleSubsets(objects, ofServices, known.domainSuffix),
    ...findDisagreements(ofServices),
    ...findSharedSelections(objects, workloads),
    ...findHiddenPorts(objects, workloads, ofServices),
  ]
}

interface Selecting {
  readonly object: Omit<ConfigObject, 'spec'>
  readonly labels: Labels
  readonly path: readonly PropertyKey[]
  /** Absent = of all namespaces. */
  readonly namespace?: string
}

const ofEveryNamespace = ({ object, labels, path }: Selecting): Selecting => ({ object, labels, path })

/** The proxies of the Gateways that an object is for. */
const ofTargets = (object: Configured<PolicyTarget>): readonly Selecting[] =>
  targetsOf(object.spec)
    .filter(({ target }) => isGatewayTarget(target))
    .map(({ path, target }) => ({
      object,
      labels: { [gatewayNameLabel]: target.name },
      path: ['spec', ...path],
      namespace: object.metadata.namespace,
    }))

const findIdleSelectors = (
  objects: AnalyzedObjects,
  workloads: Workloads,
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
    ...objects.telemetries.flatMap((each) => [
      ...ofNamespace(each, each.spec.selector?.matchLabels, 'selector'),
      ...ofTargets(each),
    ]),
    ...objects.peerAuthentications.flatMap((each) =>
      // Of the root namespace they select nothing in any case.
      each.metadata.namespace === rootNamespace ? [] : ofNamespace(each, each.spec.selector?.matchLabels, 'selector'),
    ),
    ...objects.clientAuthentications.flatMap((each) => [
      ...ofNamespace(each, each.spec.selector?.matchLabels, 'selector'),
      ...ofTargets(each),
    ]),
    ...[
      ...objects.requestAuthentications,
      ...objects.authorizationPolicies,
      ...objects.rateLimits,
      ...objects.proxyExtensions,
      ...objects.wasmPlugins,
    ].flatMap((each) => {
      const ofOwn = ofNamespace(each, each.spec.selector?.matchLabels, 'selector')
      return [...(each.metadata.namespace === rootNamespace ? ofOwn.map(ofEveryNamespace) : ofOwn), ...ofTargets(each)]
    }),
    ...objects.gateways.map((each): Selecting => ({
      object: each,
      labels: each.spec.selector ?? {},
      path: ['spec', 'selector'],
    })),
  ]
  return selecting
    .filter(({ labels, namespace }) => workloads.select(withoutTopology(labels), namespace).length === 0)
    .map(({ object, labels, path, namespace }) => {
      const where = namespace === undefined ? '' : ` of namespace ${namespace}`
      return problemOf(object, 'selects_nothing', 'warning', path, `no workload${where} has ${toText(labels)}`)
    })
}

const findIdleSubsets = (
  objects: AnalyzedObjects,
  ofServices: ServiceWorkloads,
  domainSuffix: string,
): readonly Problem[] => {
  const byHost = new Map(
    [...ofServices].map(([{ metadata }, served]) => [
      toServiceHostname(metadata.name, metadata.namespace, domainSuffix),
      served,
    ]),
  )
  return objects.destinationRules.flatMap((rule) => {
    const host = resolveHost(rule.spec.host, rule.metadata.namespace, domainSuffix)
    const served = byHost.get(host) ?? []
    if (served.length === 0) return []
    return (rule.spec.subsets ?? []).flatMap(({ name, labels = {} }, index) =>
      served.some((each) => hasLabels(each.labels, withoutTopology(labels)))
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
const findDisagreements = (ofServices: ServiceWorkloads): readonly Problem[] => {
  const claims = [...ofServices].flatMap(([service, selected]) =>
    service.spec.ports.flatMap((port, index) => {
      const target = port.targetPort ?? port.port
      const protocol = selectProtocol({ explicit: port.appProtocol, name: port.name ?? '', number: port.port })
      return isProxied(port) ? [{ service, selected, index, target, protocol }] : []
    }),
  )
  type Claim = (typeof claims)[number]
  const toKey = (target: Claim['target'], protocol: Claim['protocol']) => `${target}/${protocol}`
  const ofWorkloads = new Map<KnownWorkload, Map<string, FirstByOwner<Claim, Service>>>()
  for (const claim of claims)
    for (const workload of claim.selected) {
      const ofPorts = getOrAdd(ofWorkloads, workload, () => new Map<string, FirstByOwner<Claim, Service>>())
      const key = toKey(claim.target, claim.protocol)
      getOrAdd(ofPorts, key, () => new FirstByOwner<Claim, Service>()).add(claim.service, claim)
    }
  const protocols = [...new Set(claims.map(({ protocol }) => protocol))]
  const findRival = ({ service, selected, target, protocol }: Claim): Claim | undefined => {
    const keys = protocols.filter((other) => other !== protocol).map((other) => toKey(target, other))
    for (const workload of selected)
      for (const key of keys) {
        const rival = ofWorkloads.get(workload)?.get(key)?.ofAnother(service)
        if (rival) return rival
      }
    return undefined
  }
  return claims.flatMap((claim) => {
    const rival = findRival(claim)
    if (!rival) return []
    const message = `is ${claim.protocol} at port ${claim.target} of workloads where ${nameOf(rival.service)} says ${rival.protocol}: a proxy hears one of them`
    return [problemOf(claim.service, 'ambiguous', 'warning', ['spec', 'ports', claim.index], message)]
  })
}

/** Objects that select the same workload. Istio: "ConflictingSidecarWorkloadSelectors", "ConflictingTelemetryWorkloadSelectors". */
const findSharedSelections = (
  { sidecars, telemetries, peerAuthentications }: AnalyzedObjects,
  workloads: Workloads,
): readonly Problem[] => [
  ...findShared(
    sidecars.map((object) => ({ object, labels: object.spec.workloadSelector?.labels ?? {} })),
    workloads,
    'workloadSelector',
    'holds',
  ),
  ...findShared(
    telemetries.map((object) => ({ object, labels: object.spec.selector?.matchLabels ?? {} })),
    workloads,
    'selector',
    'is applied first',
  ),
  ...findShared(
    peerAuthentications.map((object) => ({ object, labels: object.spec.selector?.matchLabels ?? {} })),
    workloads,
    'selector',
    'holds',
  ),
]

/** `fate`: of the older one. */
const findShared = (
  objects: readonly Pick<Selecting, 'object' | 'labels'>[],
  workloads: Workloads,
  field: string,
  fate: string,
): readonly Problem[] => {
  const selecting = objects
    .filter(({ labels }) => Object.keys(labels).length > 0)
    .map(({ object, labels }) => ({ object, selected: workloads.select(labels, object.metadata.namespace) }))
  const byWorkload = new Map<KnownWorkload, FirstByOwner<Selecting['object']>>()
  for (const { object, selected } of selecting)
    for (const workload of selected)
      getOrAdd(byWorkload, workload, () => new FirstByOwner<Selecting['object']>()).add(object, object)
  return selecting.flatMap(({ object, selected }) => {
    const others = selected.map((workload) => byWorkload.get(workload)?.ofAnother(object))
    const other = others.find((each) => each !== undefined)
    if (!other) return []
    const message = `${nameOf(other)} selects some of the same workloads: ${olderOf(object, other)} ${fate}`
    return [problemOf(object, 'conflict', 'warning', ['spec', field], message)]
  })
}

/** Servers of Gateways on ports that no Service of their workloads leads to. Istio: "GatewayPortNotDefinedOnService". */
const findHiddenPorts = (
  { gateways }: AnalyzedObjects,
  workloads: Workloads,
  ofServices: ServiceWorkloads,
): readonly Problem[] => {
  const leadingTo = new MultiMap<KnownWorkload, Service>()
  for (const [service, selected] of ofServices) for (const workload of selected) leadingTo.add(workload, service)
  return gateways.flatMap((gateway) => {
    const { selector = {}, servers } = gateway.spec
    const selected = workloads.select(withoutTopology(selector))
    const leading = [...new Set(selected.flatMap((each) => [...leadingTo.get(each)]))]
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
}

/** Without a selector it has other endpoints than workloads, or is another name. */
const isSelecting = ({ spec: { selector = {} } }: Service): boolean => Object.keys(selector).length > 0

const toText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ') || 'any label'
