import type { ServiceKey } from '#mesh/names.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { buildEndpoints } from '#xds/build/build-load-assignment.ts'
import {
  compileUpstreams,
  keepsDestination,
  usesLocality,
  type CompiledUpstream,
  type UpstreamClient,
} from '#xds/compile/compile-upstreams.ts'
import type { ReachedService } from '#xds/compile/compile-destination.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { findDestinationPolicy } from '#xds/compile/select-destination-policy.ts'
import type { Unit, UnitResource } from '#xds/incremental/unit.ts'

/** A service's EnvoyClusters and their endpoints, for all clients to whom the same DestinationRules apply. */
export const upstreamsUnit = ({ service, policy }: ReachedService, client: UpstreamClient): Unit => {
  const locality = usesLocality(policy) ? client.locality : ''
  return toUnit(service.key, policy.key, { locality, isCaptured: client.isCaptured && keepsDestination(service) })
}

const toUnit = (serviceKey: ServiceKey, policyKey: string, client: UpstreamClient): Unit => ({
  key: `upstreams|${serviceKey}|${policyKey}|${client.locality}${client.isCaptured ? '|captured' : ''}`,
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
