import type { ServiceKey } from '#mesh/names.ts'
import type { MeshView } from '#mesh/view.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { buildEndpoints } from '#xds/build/build-load-assignment.ts'
import {
  compileUpstreams,
  toUpstreamClient,
  type CompiledUpstream,
  type UpstreamClient,
} from '#xds/compile/compile-upstreams.ts'
import type { ReachedService } from '#xds/compile/compile-destination.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { findDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import { toLabelsKey } from './client.ts'
import type { Unit, UnitResource } from '#xds/incremental/unit.ts'

/** A service's EnvoyClusters and their endpoints, for all clients to whom the same DestinationRules apply. */
export const upstreamsUnit = (view: MeshView, reached: ReachedService, client: UpstreamClient): Unit =>
  toUnit(reached.service.key, reached.policy.key, toUpstreamClient(view, reached, client))

const toUnit = (serviceKey: ServiceKey, policyKey: string, client: UpstreamClient): Unit => ({
  key: `upstreams|${serviceKey}|${policyKey}|${client.locality}${toLabelsKey(client.labels)}${client.node === '' ? '' : `|on ${client.node}`}${client.isCaptured ? '|captured' : ''}${client.secretsOf === undefined ? '' : `|secrets of ${client.secretsOf}`}`,
  compile(view) {
    const service = view.service(serviceKey)
    if (!service) return {}
    const { problems, report } = collectProblems()
    const policy = findDestinationPolicy(view, service, policyKey)
    return { resources: buildUpstreams(compileUpstreams(view, service, policy, client, report)), problems }
  },
})

export const buildUpstreams = (compiled: readonly CompiledUpstream[]): UnitResource[] =>
  compiled.flatMap(({ upstream, assignment }) =>
    assignment ? [buildCluster(upstream), buildEndpoints(assignment)] : [buildCluster(upstream)],
  )
