import type { Service } from '#mesh/service.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Workload } from '#mesh/workload.ts'
import { isShared } from '#mesh/visibility.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { UpstreamPolicy } from '#xds/model/upstream.ts'
import { compileGatewayAssignment } from './compile-load-assignment.ts'
import { compileHealthListener } from './compile-health.ts'
import type { CompiledUpstream } from './compile-upstreams.ts'
import type { Report } from './report.ts'
import { toServiceSni } from './resource-names.ts'
import { mergeAllSubsets } from './select-destination-policy.ts'

/** Istio's port for mTLS between networks. */
const defaultGatewayPort = 15443

/** Where other networks come in, and where its health is asked for. */
export const compileGatewayListeners = (workload: Workload): Listener[] => [
  compileEntry(workload),
  compileHealthListener(workload.address, []),
]

/** On the first port that the gateway's workload names. What is not TLS is closed. */
const compileEntry = (workload: Workload): Listener => {
  const [port = defaultGatewayPort] = Object.values(workload.ports ?? {})
  return {
    name: `east-west_${workload.address}_${port}`,
    address: workload.address,
    port,
    direction: 'inbound',
    inspectors: [{ kind: 'tls' }],
    chains: [{ match: { transport: 'tls' }, handler: { kind: 'sni', statPrefix: 'east-west', hosts: ['*'] } }],
    trustEpoch: 0,
  }
}

const policy: UpstreamPolicy = { loadBalancer: { kind: 'least-request' }, connectTimeoutMs: 10_000, limits: {} }

/** What other networks may ask for of a service: named by SNI, passed on as it is, so that mTLS stays end to end. */
export const compileGatewayUpstreams = (view: MeshView, service: Service, report: Report): CompiledUpstream[] => {
  if (!isShared(service)) return []
  const subsets = [{ name: '', labels: {} }, ...mergeAllSubsets(view, service).subsets]
  return service.ports.flatMap((port) =>
    subsets.map(({ name: subset, labels = {} }) => {
      const name = toServiceSni(port.number, subset, service.hostname)
      return {
        upstream: {
          name,
          discovery: { kind: 'eds' },
          protocol: 'tcp',
          tls: { mode: 'none' },
          policy,
          trustEpoch: 0,
          called: { service: service.key, port: port.number, ...(subset !== '' && { subset }) },
        },
        assignment: compileGatewayAssignment(view, name, { service, port, labels }, report),
      } satisfies CompiledUpstream
    }),
  )
}
