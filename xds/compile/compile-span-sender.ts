import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { ClusterName } from '#mesh/names.ts'
import { toPeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { toTracingServiceName } from '#mesh/telemetry/tracing-service-name.ts'
import type { Workload } from '#mesh/workload.ts'
import type { SpanSender } from '#xds/model/span-sender.ts'

/** Istio reference: ProxyConfig.tracingServiceName; MeshConfig, ServiceAttributeEnrichment; Telemetry, Tracing.enableIstioTags. */
export const compileSpanSender = (
  workload: Workload,
  { defaultConfig: { tracingServiceName } }: MeshConfig,
  {
    isGateway,
    cluster,
    meshId,
  }: { readonly isGateway: boolean; readonly cluster: ClusterName; readonly meshId: string },
): SpanSender => {
  const { canonicalService, canonicalRevision } = toPeerFacts(workload)
  return {
    service: toTracingServiceName(workload, tracingServiceName),
    semanticService: workload.labels['app.kubernetes.io/name'] ?? workload.controller ?? workload.name,
    isGateway,
    tags: {
      'istio.canonical_revision': canonicalRevision,
      'istio.canonical_service': canonicalService,
      'istio.cluster_id': cluster,
      'istio.mesh_id': meshId,
      'istio.namespace': workload.namespace,
    },
  }
}
