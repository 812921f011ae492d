import type { ServiceKey } from '#mesh/names.ts'
import { tellsNodes } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { endpointsBuilder } from '#xds/build/build-endpoints-by-node.ts'
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
  toUnit({
    serviceKey: reached.service.key,
    policyKey: reached.policy.key,
    client: toUpstreamClient(view, reached, client),
  })

interface Inputs {
  readonly serviceKey: ServiceKey
  readonly policyKey: string
  readonly client: UpstreamClient
}

const toUnit = (inputs: Inputs): Unit => ({
  key: `upstreams|${toInputsKey(inputs)}`,
  compile(view) {
    const service = view.service(inputs.serviceKey)
    if (!service) return {}
    const { problems, report } = collectProblems()
    const policy = findDestinationPolicy(view, service, inputs.policyKey)
    const compiled = compileUpstreams(view, service, policy, inputs.client, report)
    if (!tellsNodes(service)) return { resources: buildUpstreams(compiled), problems }
    const builders = compiled.flatMap(({ byNode }) => (byNode ? endpointsBuilder(byNode) : []))
    return {
      resources: compiled.map(({ upstream }) => buildCluster(upstream)),
      byPlace: (node) => builders.map((buildOn) => buildOn(node)),
      problems,
    }
  },
})

const toInputsKey = ({ serviceKey, policyKey, client }: Inputs): string => {
  const { locality, labels, isCaptured, secretsOf } = client
  return `${serviceKey}|${policyKey}|${locality}${toLabelsKey(labels)}${isCaptured ? '|captured' : ''}${secretsOf === undefined ? '' : `|secrets of ${secretsOf}`}`
}

export const buildUpstreams = (compiled: readonly CompiledUpstream[]): UnitResource[] =>
  compiled.flatMap(({ upstream, assignment }) =>
    assignment ? [buildCluster(upstream), buildEndpoints(assignment)] : [buildCluster(upstream)],
  )
