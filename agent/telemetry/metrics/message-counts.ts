import { parseMessageRecord } from '#mesh/telemetry/message-record.ts'
import { toMetricLabels } from '#mesh/telemetry/metric-tags.ts'
import type { Party } from '#mesh/telemetry/party.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import type { Increment, Labels } from './cluster-metrics.ts'

export interface MessageCountsOptions {
  readonly toParty: (proxy: Proxy) => Party
  readonly add: (increment: Increment) => void
}

/** Labels of as many different calls are kept. */
const maxKnown = 20_000
/** … each of which tells so much: it has what a series of metrics has. */
const maxTextLength = 4096

/** Counts the messages of calls of gRPC, of which proxies tell one by one. */
export class MessageCounts {
  readonly #options: MessageCountsOptions
  readonly #labels = new Map<string, Labels>()

  constructor(options: MessageCountsOptions) {
    this.#options = options
  }

  /** `text`: a record of messages. Returns whether it is one. */
  take(proxy: Proxy, text: string): boolean {
    const record = text.length <= maxTextLength ? parseMessageRecord(text) : undefined
    if (!record) return false
    const { counts, tags } = record
    if (counts.length === 0) return true
    const labels = this.#toLabels(proxy, tags)
    for (const [metric, count] of counts) this.#options.add({ metric, labels, count })
    return true
  }

  /** What is known of workloads may be another thing now. */
  forget(): void {
    this.#labels.clear()
  }

  #toLabels(proxy: Proxy, tags: ReadonlyMap<string, string>): Labels {
    const key = `${toProxyName(proxy)}\n${[...tags].join('\n')}`
    const known = this.#labels.get(key)
    if (known) return known
    const labels = toMetricLabels(tags, this.#options.toParty(proxy))
    if (this.#labels.size >= maxKnown) this.#labels.clear()
    this.#labels.set(key, labels)
    return labels
  }
}
