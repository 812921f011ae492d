import { toPolicyLevels } from './policy-levels.ts'
import { toOwnLabels } from './topology.ts'

interface Level {
  readonly loadBalancer?:
    | { readonly localityLbSetting?: { readonly failoverPriority?: readonly string[] | undefined } | undefined }
    | undefined
}

interface Policy extends Level {
  readonly portLevelSettings?: readonly Level[] | undefined
}

/** What of a DestinationRule tells endpoints apart. */
interface Rule {
  readonly trafficPolicy?: Policy | undefined
  readonly subsets?:
    | readonly {
        readonly labels?: Readonly<Record<string, string>> | undefined
        readonly trafficPolicy?: Policy | undefined
      }[]
    | undefined
}

/** The labels of clients and endpoints that a rule's failover priorities look at, beside those of topology. */
export const toFailoverLabels = (rule: Rule): string[] =>
  toPolicyLevels<Level>(rule).flatMap(({ loadBalancer }) =>
    toOwnLabels(loadBalancer?.localityLbSetting?.failoverPriority ?? []),
  )

/** The labels that a rule tells the endpoints of its host apart by: those of its subsets and of its failover priorities. */
export const toToldLabels = (rule: Rule): string[] => [
  ...(rule.subsets ?? []).flatMap(({ labels = {} }) => Object.keys(labels)),
  ...toFailoverLabels(rule),
]
