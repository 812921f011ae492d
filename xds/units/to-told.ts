import { selectWasmPlugins } from '#mesh/security/select-wasm-plugins.ts'
import { resolveTelemetry } from '#mesh/telemetry/resolve-telemetry.ts'
import { findTelemetries, selectTelemetries, type TelemetryKey } from '#mesh/telemetry/select-telemetries.ts'
import type { Place } from '#mesh/topology.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Workload } from '#mesh/workload.ts'
import { compileSpanSender } from '#xds/compile/compile-span-sender.ts'
import type { SpanSender } from '#xds/model/span-sender.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { Told } from './client.ts'

/** Whose calls a proxy's listeners tell of, as whom, and which plugins they run. `workload`: undefined where the registry has none. */
export const toTold = (view: MeshView, proxy: Proxy, place: Place, workload: Workload | undefined): Told => {
  const telemetry = selectTelemetries(view, proxy.namespace, place)
  const sender = workload && toSender(view, proxy, telemetry, workload)
  const plugins = selectWasmPlugins(view, proxy.namespace, place)
  return { namespace: proxy.namespace, telemetry, plugins, ...(sender && { sender }) }
}

/** Only where somebody is to be told of spans: else it would tell apart what is the same. */
const toSender = (
  view: MeshView,
  { role }: Proxy,
  telemetry: TelemetryKey,
  workload: Workload,
): SpanSender | undefined => {
  const settings = view.meshConfig()
  const { client, server } = resolveTelemetry(settings, findTelemetries(view, telemetry))
  if (!client.tracing.provider && !server.tracing.provider) return undefined
  const mesh = { cluster: view.localCluster, meshId: view.settings().trustDomain }
  return compileSpanSender(workload, settings, { isGateway: role !== 'sidecar', ...mesh })
}
