import type { ClientSelectorKey } from '#mesh/client-selectors.ts'
import { noPlugins, type WasmPluginKey } from '#mesh/security/select-wasm-plugins.ts'
import { noTelemetry, type TelemetryKey } from '#mesh/telemetry/select-telemetries.ts'
import type { ConnectionRouting } from '#xds/compile/compile-connection-paths.ts'
import type { TcpClient } from '#xds/compile/compile-service-tcp.ts'
import type { SpanSender } from '#xds/model/span-sender.ts'
import type { VirtualService } from '#xds/compile/select-virtual-service.ts'

/** What tells classes of sidecars apart, beside their Sidecar object. */
export interface Client {
  readonly namespace: string
  /** "region/zone/subzone"; "" when unknown. */
  readonly locality: string
  /** Those that failover priorities look at. */
  readonly labels: Readonly<Record<string, string>>
  /** Those of the selectors in use that select them, sorted. */
  readonly selectors: readonly ClientSelectorKey[]
  /** Whether their traffic is captured. */
  readonly isCaptured: boolean
  /** Their `namespace`, whose Secrets they are given, and whether as sidecars are: keys of units that are of one role alone need not name it. */
  readonly secretsOf: string
  readonly needsSelection: boolean
}

/** Of whose calls listeners tell, and what they run. What is no listener need not know which Telemetry objects and WasmPlugins there are. */
export interface Told {
  readonly namespace: string
  readonly telemetry: TelemetryKey
  readonly plugins: WasmPluginKey
  /** Who tells backends of traces; absent = nobody does. */
  readonly sender?: SpanSender | undefined
}

export const toClientKey = ({ namespace, locality, labels, selectors, isCaptured }: Client): string =>
  `${namespace}|${locality}${toLabelsKey(labels)}${selectors.map((each) => `|${each}`).join('')}${isCaptured ? '|captured' : ''}`

/** What tells clients apart for whose connections listeners are. */
export const toConnectionKey = ({ namespace, selectors, ...told }: TcpClient & Told): string =>
  [namespace, ...selectors, ...toToldParts(told)].join('|')

export const toToldClientKey = (client: Client & Told): string =>
  [toClientKey(client), ...toToldParts(client)].join('|')

export const toToldParts = ({ telemetry, plugins, sender }: Omit<Told, 'namespace'>): readonly string[] => [
  ...(telemetry === noTelemetry ? [] : [`told by ${telemetry}`]),
  ...(plugins === noPlugins ? [] : [`runs ${plugins}`]),
  ...(sender ? [`as ${[sender.service, sender.semanticService, ...Object.values(sender.tags)].join(',')}`] : []),
]

/** "" when there are none. They are in the order of `failoverLabels`. */
export const toLabelsKey = (labels: Client['labels']): string => {
  const entries = Object.entries(labels)
  return entries.length === 0 ? '' : `|${JSON.stringify(entries)}`
}

/** What a VirtualService is to such a client. */
export const toRouting = (virtualService: VirtualService, { namespace, selectors }: Client): ConnectionRouting => ({
  virtualService,
  clientNamespace: namespace,
  selectors: new Set(selectors),
})
