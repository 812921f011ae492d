import type { Configured } from './config-object.ts'
import type { DestinationRuleSpec } from './config/destination-rule.ts'
import type { VirtualServiceSpec } from './config/virtual-service.ts'
import { hasLabelsThere, type Place } from './topology.ts'

/** Clients for whom a rule holds: those that have all of these labels, in one namespace or in all. */
export interface ClientSelector {
  /** Absent = in all. */
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
}

export type ClientSelectorKey = string & { readonly __brand: 'ClientSelectorKey' }

/** Two selectors with the same key select the same clients. */
export const toClientSelectorKey = ({ namespace = '', labels }: ClientSelector): ClientSelectorKey =>
  JSON.stringify([
    namespace,
    ...Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1)),
  ]) as ClientSelectorKey

export const selectsClient = (selector: ClientSelector, client: Place & { readonly namespace: string }): boolean =>
  (selector.namespace ?? client.namespace) === client.namespace && hasLabelsThere(client, selector.labels)

type SourceMatch = {
  readonly sourceLabels?: Readonly<Record<string, string>> | undefined
  readonly sourceNamespace?: string | undefined
}

/** Whom a match of a VirtualService is for, as far as labels say it; undefined = they say nothing. */
export const toSourceSelector = ({ sourceLabels = {}, sourceNamespace }: SourceMatch): ClientSelector | undefined =>
  Object.keys(sourceLabels).length === 0
    ? undefined
    : { labels: sourceLabels, ...(sourceNamespace !== undefined && { namespace: sourceNamespace }) }

/** The selectors that the routes of a VirtualService depend on. One that others delegate to counts as a part of them. */
export const toSourceSelectors = ({
  hosts,
  http = [],
  tls = [],
  tcp = [],
}: VirtualServiceSpec): readonly ClientSelector[] =>
  hosts.length === 0
    ? []
    : [...http, ...tls, ...tcp].flatMap(({ match = [] }) =>
        match.flatMap((each: SourceMatch) => toSourceSelector(each) ?? []),
      )

/** The clients that a DestinationRule is for; undefined = it leaves that open. Istio reference: DestinationRule.workloadSelector. */
export const toRuleSelector = ({ metadata, spec }: Configured<DestinationRuleSpec>): ClientSelector | undefined =>
  spec.workloadSelector && { namespace: metadata.namespace, labels: spec.workloadSelector.matchLabels ?? {} }
