import type { MeshSettings } from '#mesh/settings.ts'
import { findProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { createCompiler } from '#xds/compiler.ts'
import type { Call } from '#xds/explain/call.ts'
import type { Question } from '#xds/explain/explain-call.ts'
import { readSets, type Served } from '#xds/explain/served.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { createOfflineView, type OfflineFiles } from '../xds/offline-view.ts'
import { parseProxySpec, type ProxySpec } from '../xds/proxy-spec.ts'
import type { ClientName } from './parse-client.ts'

export interface OfflineQuestion extends Question {
  readonly spec: ProxySpec
  readonly isGuessed: boolean
}

interface Asked {
  readonly name: ClientName
  readonly call: Call
  readonly hasProxy: boolean
}

/** What of a call can be found out from files: every workload has a proxy there, unless it is told to have none. */
export const toOfflineQuestion = (
  files: OfflineFiles,
  settings: MeshSettings,
  { name, call, hasProxy }: Asked,
): OfflineQuestion => {
  const described = describe(name)
  const first = createOfflineView(files, described, settings)
  const spec = first.isGuessed ? findByAccount(first.workloads.values(), described) : described
  const { view, workloads, proxy, isGuessed } = spec === described ? first : createOfflineView(files, spec, settings)
  const compiler = createCompiler(view)
  const serve = (of: Proxy): Served => readSets(compiler.attach(of).sets)
  const { namespace, serviceAccount } = proxy
  const isCaptured = workloads.get(`${namespace}/${proxy.workload}`)?.capture === 'transparent'
  const entry = proxy.role === 'gateway' ? 'gateway' : isCaptured ? 'captured' : 'explicit'
  return {
    spec,
    isGuessed,
    facts: view,
    call,
    client: { name: toProxyName(proxy), namespace, serviceAccount, entry: hasProxy ? entry : 'none' },
    served: hasProxy ? serve(proxy) : undefined,
    policies: findProxyPolicies(view, namespace, proxy.workload),
    proxies: {
      at: async ({ address }) => {
        const workload = [...workloads.values()].find((each) => each.address === address)
        if (!workload || workload.origin === 'service-entry') return undefined
        const server = { ...workload, role: 'sidecar' as const, workload: workload.name }
        return {
          name: toProxyName(server),
          served: serve(server),
          policies: findProxyPolicies(view, server.namespace, server.workload),
          hasMadeUpAddress: workload.origin === 'pod',
        }
      },
      gatewayOf: async () => undefined,
    },
  }
}

const describe = ({ role = 'sidecar', namespace, name, details }: ClientName): ProxySpec =>
  parseProxySpec(`${role}/${namespace}/${name}${details}`)

/** Where no workload has the name, a service account may. */
const findByAccount = (
  workloads: Iterable<{ readonly namespace: string; readonly name: string; readonly serviceAccount: string }>,
  spec: ProxySpec,
): ProxySpec => {
  const { namespace, workload: name } = spec.proxy
  const found = [...workloads].find(
    (workload) => workload.namespace === namespace && workload.serviceAccount === name && workload.name !== name,
  )
  return found ? { ...spec, proxy: { ...spec.proxy, workload: found.name } } : spec
}
