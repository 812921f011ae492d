import type { Configured } from '../config-object.ts'
import type { WorkloadEntrySpec } from '../config/workload-entry.ts'
import { type NetworkName, networkName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { endpointHealth } from '../service.ts'
import { toLocality } from '../topology.ts'
import type { Workload } from '../workload.ts'
import { TLS_MODE_LABEL } from './to-endpoint.ts'

/** On a WorkloadEntry: what its machine's health check says of it. Absent = healthy. */
export const HEALTH_ANNOTATION = 'atoll.dev/health'

/** The record of a WorkloadEntry, or of an endpoint that a ServiceEntry holds. Labels: the metadata's win over the spec's, as in Istio. */
export const toWorkload = (
  { metadata, spec }: Configured<WorkloadEntrySpec>,
  localNetwork: NetworkName,
  ofMesh?: Workload['ofMesh'],
): Workload => {
  const health = endpointHealth.safeParse(metadata.annotations?.[HEALTH_ANNOTATION])
  const labels = { ...spec.labels, ...metadata.labels }
  const network = networkName.safeParse(spec.network)
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    address: spec.address,
    labels,
    serviceAccount: spec.serviceAccount ?? '',
    network: network.success ? network.data : localNetwork,
    locality: spec.locality ?? toLocality(labels, ''),
    ports: spec.ports ?? {},
    weight: spec.weight || 1,
    health: health.success ? health.data : 'healthy',
    ...(ofMesh && { ofMesh }),
  }
}

/** What a WorkloadEntry says in labels and annotations that its kind's schema does not know. */
export const findWorkloadProblems = ({ kind, metadata, spec }: Configured<WorkloadEntrySpec>): readonly Problem[] => {
  const warn = (path: string, message: string): Problem => ({
    code: 'invalid',
    severity: 'warning',
    object: { kind, namespace: metadata.namespace, name: metadata.name },
    path,
    message,
  })
  const health = metadata.annotations?.[HEALTH_ANNOTATION]
  const tlsMode = { ...spec.labels, ...metadata.labels }[TLS_MODE_LABEL]
  return [
    ...(health === undefined || endpointHealth.safeParse(health).success
      ? []
      : [
          warn(
            `metadata.annotations["${HEALTH_ANNOTATION}"]`,
            `"${health}" is not one of ${endpointHealth.options.join(', ')}: taken as healthy`,
          ),
        ]),
    ...(tlsMode === undefined || tlsModes.includes(tlsMode)
      ? []
      : [
          warn(
            `metadata.labels["${TLS_MODE_LABEL}"]`,
            `"${tlsMode}" is not one of ${tlsModes.join(', ')}: taken as disabled`,
          ),
        ]),
  ]
}

const tlsModes: readonly string[] = ['istio', 'disabled']
