import { selectsClient, toClientSelectorKey } from '#mesh/client-selectors.ts'
import { selectAuthorizations, type AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import {
  selectClientAuthentications,
  type ClientAuthenticationKey,
} from '#mesh/security/select-client-authentications.ts'
import { selectProxyExtensions } from '#mesh/security/select-proxy-extensions.ts'
import { selectRateLimits } from '#mesh/security/select-rate-limits.ts'
import { selectRequestAuthentications } from '#mesh/security/select-request-authentications.ts'
import { noPlugins } from '#mesh/security/select-wasm-plugins.ts'
import { noTelemetry } from '#mesh/telemetry/select-telemetries.ts'
import type { Place } from '#mesh/topology.ts'
import type { MeshView } from '#mesh/view.ts'
import { isCaptured, placeOf, toNode, toWorkloadKey, type Workload } from '#mesh/workload.ts'
import { buildCluster } from '#xds/build/build-cluster.ts'
import { asksProvider } from '#xds/compile/compile-access.ts'
import { compileGatewayListeners } from '#xds/compile/compile-gateway.ts'
import { compileHealthListener } from '#xds/compile/compile-health.ts'
import { compileInbound } from '#xds/compile/compile-inbound.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { selectGateways, toListenPorts } from '#xds/compile/select-gateways.ts'
import { findSidecar, selectSidecar, toSidecarKey } from '#xds/compile/select-sidecar.ts'
import type { Unit, UnitOutput } from '#xds/incremental/unit.ts'
import { selectPatches } from '#xds/patch/select-patches.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { accessUnit } from './access-unit.ts'
import { admissionUnit } from './admission-unit.ts'
import { buildListeners } from './build-listeners.ts'
import { extensionUnit } from './extension-unit.ts'
import { toToldParts, type Client, type Told } from './client.ts'
import { wasmPluginUnits } from './wasm-plugin-unit.ts'
import { gatewayClassUnit } from './gateway-class-unit.ts'
import { gatewayProxyClassUnit } from './gateway-proxy-unit.ts'
import { outboundUnit } from './outbound-unit.ts'
import { patchOutput } from './patched-unit.ts'
import { requestLimitUnit } from './request-limit-unit.ts'
import { sidecarClassUnit } from './sidecar-class-unit.ts'
import { toTold } from './to-told.ts'
import { tokenUnit } from './token-unit.ts'
import { toldUpstreamsUnit } from './told-upstreams-unit.ts'

/** What one proxy alone has: its listeners and what they need. Tells the class of proxies that it shares all else with. */
export const proxyUnit = (proxy: Proxy): Unit => {
  const workloadKey = toWorkloadKey(proxy.namespace, proxy.workload)
  return {
    key: `proxy|${toProxyName(proxy)}`,
    compile(view) {
      const workload = view.workload(workloadKey)
      const output = compileProxy(view, proxy, workload)
      return patchOutput(view, output, proxy.role, selectPatches(view, proxy, whereIs(view, workload)))
    },
  }
}

const compileProxy = (view: MeshView, proxy: Proxy, workload: Workload | undefined): UnitOutput => {
  const workloadKey = toWorkloadKey(proxy.namespace, proxy.workload)
  if (proxy.role === 'east-west-gateway') return compileGateway(view, proxy, workload)
  if (proxy.role === 'gateway') return compileGatewayProxy(view, proxy, workload)
  const sidecar = selectSidecar(view, proxy.namespace, whereIs(view, workload))
  const sidecarKey = sidecar ? toSidecarKey(sidecar) : ''
  const told = toTold(view, proxy, whereIs(view, workload), workload)
  const client: Client & Told = {
    locality: workload?.locality ?? '',
    labels: toFailoverLabels(view, workload),
    selectors: toSelectors(view, proxy.namespace, workload),
    isCaptured: workload !== undefined && isCaptured(workload),
    secretsOf: proxy.namespace,
    needsSelection: true,
    ...told,
  }
  const shared = { sharedRoot: sidecarClassUnit(client, sidecarKey), ...toPlace(view, workload) }
  const plugins = wasmPluginUnits(told.plugins)
  if (!workload) return { ...shared, includes: plugins, problems: [toUnknown(workloadKey)] }
  const policies = selectAuthorizations(view, proxy.namespace, placeOf(workload, view.localCluster))
  const clients = selectClientAuthentications(view, proxy.namespace, placeOf(workload, view.localCluster))
  const inbound = inboundUnit(workloadKey, { sidecarKey, policies, clients }, told)
  const filters = [...plugins, ...toAccessUnits(view, proxy.namespace, policies, workload)]
  if (isCaptured(workload)) return { ...shared, includes: [inbound, ...filters] }
  const place = { ...client, loopback: toLoopback(workload) }
  return { ...shared, includes: [inbound, ...filters, outboundUnit(place, sidecarKey)] }
}

const toFailoverLabels = (view: MeshView, workload: Workload | undefined): Client['labels'] =>
  Object.fromEntries(
    view.failoverLabels().flatMap((label) => {
      const value = workload?.labels[label]
      return value === undefined ? [] : [[label, value]]
    }),
  )

/** Its node, where some service tells nodes apart. */
const toPlace = (view: MeshView, workload: Workload | undefined): Pick<UnitOutput, 'place'> =>
  view.tellsNodes() ? { place: workload ? toNode(workload) : '' } : {}

const whereIs = (view: MeshView, workload: Workload | undefined): Place =>
  workload
    ? placeOf(workload, view.localCluster)
    : { locality: '', network: view.localNetwork, cluster: view.localCluster, labels: {} }

const toSelectors = (view: MeshView, namespace: string, workload: Workload | undefined): Client['selectors'] => {
  const client = { namespace, ...whereIs(view, workload) }
  return view
    .clientSelectors()
    .filter((selector) => selectsClient(selector, client))
    .map(toClientSelectorKey)
}

const compileGateway = (view: MeshView, proxy: Proxy, workload: Workload | undefined): UnitOutput => {
  const { namespace, workload: name } = proxy
  if (!workload) return { sharedRoot: gatewayClassUnit, problems: [toUnknown(toWorkloadKey(namespace, name))] }
  const client = {
    locality: workload.locality,
    labels: toFailoverLabels(view, workload),
    selectors: toSelectors(view, namespace, workload),
    isCaptured: false,
    secretsOf: namespace,
    needsSelection: false,
    ...toTold(view, proxy, whereIs(view, workload), workload),
  }
  return {
    sharedRoot: gatewayClassUnit,
    resources: buildListeners(view, compileGatewayListeners(workload), client),
    includes: [toldUpstreamsUnit(client), ...wasmPluginUnits(client.plugins)],
  }
}

/** A pod listens on all of its addresses; on a machine there may be others. */
const compileGatewayProxy = (view: MeshView, proxy: Proxy, workload: Workload | undefined): UnitOutput => {
  const { namespace, workload: name } = proxy
  const workloadKey = toWorkloadKey(namespace, name)
  if (!workload) return { problems: [toUnknown(workloadKey)] }
  const address = workload.origin === 'pod' ? '0.0.0.0' : workload.address
  const client = {
    locality: workload.locality,
    labels: toFailoverLabels(view, workload),
    selectors: toSelectors(view, namespace, workload),
    isCaptured: false,
    secretsOf: namespace,
    needsSelection: false,
    ...toTold(view, proxy, whereIs(view, workload), workload),
  }
  const place = {
    namespace,
    selectors: client.selectors,
    gateways: selectGateways(view, workload),
    listenPorts: toListenPorts(view, workloadKey),
    policies: selectAuthorizations(view, namespace, placeOf(workload, view.localCluster)),
    address,
  }
  return {
    sharedRoot: gatewayProxyClassUnit(client, place),
    ...toPlace(view, workload),
    resources: buildListeners(view, [compileHealthListener(address, [])], {
      namespace,
      telemetry: noTelemetry,
      plugins: noPlugins,
    }),
    includes: [...toAccessUnits(view, namespace, place.policies, workload), ...wasmPluginUnits(client.plugins)],
  }
}

/** What is asked of a request before it goes on: which client it is of, whether its token is right, who may call, and how often. */
const toAccessUnits = (
  view: MeshView,
  namespace: string,
  policies: AuthorizationKey,
  workload: Workload,
): readonly Unit[] => {
  const place = placeOf(workload, view.localCluster)
  return [
    admissionUnit(selectClientAuthentications(view, namespace, place)),
    tokenUnit(selectRequestAuthentications(view, namespace, place)),
    // Whom a provider's name means depends on the namespace; nothing else does.
    accessUnit({ namespace: asksProvider(view, policies) ? namespace : '', policies }),
    requestLimitUnit(selectRateLimits(view, namespace, place)),
    extensionUnit(selectProxyExtensions(view, namespace, place), namespace),
  ]
}

const toUnknown = (workloadKey: string) => ({
  object: `WorkloadEntry/${workloadKey}`,
  message: 'is not in the registry: its proxy has no listeners of its own',
})

/** Several workloads may share a machine: one that has a loopback address of its own is reached there by its application. */
const toLoopback = ({ address }: Workload): string => (address.startsWith('127.') ? address : '127.0.0.1')

interface InboundKeys {
  readonly sidecarKey: string
  readonly policies: AuthorizationKey
  readonly clients: ClientAuthenticationKey
}

const inboundUnit = (workloadKey: string, { sidecarKey, policies, clients }: InboundKeys, told: Told): Unit => ({
  key: ['inbound', workloadKey, sidecarKey, policies, clients, ...toToldParts(told)].join('|'),
  compile(view) {
    const workload = view.workload(workloadKey)
    if (!workload) return {}
    const { problems, report } = collectProblems()
    const inbound = { sidecar: findSidecar(view, sidecarKey), policies, clients }
    const { listeners, upstreams } = compileInbound(view, workload, inbound, report)
    return {
      resources: [...upstreams.map(buildCluster), ...buildListeners(view, listeners, told)],
      problems,
    }
  },
})
