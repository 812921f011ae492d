import { type ClientSelector, toRuleSelector } from '../client-selectors.ts'
import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import { destinationRule, type DestinationRuleSpec } from '../config/destination-rule.ts'
import type { TrafficPolicy } from '../config/schema/traffic-policy.ts'
import { toFailoverLabels } from '../failover-labels.ts'
import type { ClusterName } from '../names.ts'
import { toPolicyLevels } from '../policy-levels.ts'
import { viewKeys } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { compareText } from './compare-text.ts'
import { HostedKind } from './hosted-kind.ts'
import { MultiMap } from './multi-map.ts'
import type { SelectorsInUse } from './selectors-in-use.ts'

interface Start {
  readonly localCluster: ClusterName
  readonly domainSuffix: string
  readonly watch: AnswerWatch
  readonly clientSelectors: SelectorsInUse
}

/** The DestinationRules, by host; and what of clients they look at. */
export class DestinationRuleTable {
  readonly rules: HostedKind<DestinationRuleSpec>
  readonly #watch: AnswerWatch
  readonly #clientSelectors: SelectorsInUse
  /** The keys of the rules that look at a label. */
  readonly #failoverLabels = new MultiMap<string, string>()
  /** The keys of the rules that name a Secret. */
  readonly #withCredentials = new Set<string>()

  constructor({ localCluster, domainSuffix, watch, clientSelectors }: Start) {
    this.#watch = watch
    this.#clientSelectors = clientSelectors
    this.rules = new HostedKind({
      definition: destinationRule,
      localCluster,
      order: 'specificity',
      toHosts: (spec) => [spec.host],
      domainSuffix,
    })
  }

  failoverLabels(): readonly string[] {
    return [...this.#failoverLabels.keys()].sort(compareText)
  }

  /** Those that name a Secret, sorted. */
  withCredentials(): readonly Configured<DestinationRuleSpec>[] {
    return [...this.#withCredentials].sort(compareText).flatMap((key) => this.rules.effective(key) ?? [])
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#watch.note(viewKeys.failoverLabels, () => this.failoverLabels())
    this.#watch.note(viewKeys.clientSelectors, () => this.#clientSelectors.all())
    for (const label of this.#failoverLabelsOf(key)) this.#failoverLabels.delete(label, key)
    const before = this.#selectorsOf(key)
    this.rules.set(origin, key, object)
    for (const label of this.#failoverLabelsOf(key)) this.#failoverLabels.add(label, key)
    this.#clientSelectors.replace(key, before, this.#selectorsOf(key))
    if (this.#namesCredential(key)) this.#withCredentials.add(key)
    else this.#withCredentials.delete(key)
  }

  #selectorsOf(key: string): readonly ClientSelector[] {
    const rule = this.rules.effective(key)
    const selector = rule && toRuleSelector(rule)
    return selector ? [selector] : []
  }

  #namesCredential(key: string): boolean {
    const rule = this.rules.effective(key)
    return (
      rule !== undefined &&
      toPolicyLevels<Pick<TrafficPolicy, 'tls'>>(rule.spec).some(({ tls }) => tls?.credentialName !== undefined)
    )
  }

  #failoverLabelsOf(key: string): readonly string[] {
    const rule = this.rules.effective(key)
    return rule ? toFailoverLabels(rule.spec) : []
  }
}
