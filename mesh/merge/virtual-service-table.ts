import { toSourceSelectors } from '../client-selectors.ts'
import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import { isForSidecars, meshGateway, resolveGatewayName } from '../config/schema/gateway-names.ts'
import { virtualService, type VirtualServiceSpec } from '../config/virtual-service.ts'
import type { ClusterName } from '../names.ts'
import { type ViewKey, viewKeys } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { byAge } from './by-age.ts'
import { isEqualData } from './equal-data.ts'
import { HostedKind } from './hosted-kind.ts'
import { delegateKeys, type DelegationSettings, mergeDelegates } from './merge-delegates.ts'
import { MultiMap } from './multi-map.ts'
import type { SelectorsInUse } from './selectors-in-use.ts'
import { WildcardIndex } from './wildcard-index.ts'

type VirtualService = Configured<VirtualServiceSpec>

interface Start {
  readonly localCluster: ClusterName
  readonly settings: DelegationSettings
  readonly watch: AnswerWatch
  readonly clientSelectors: SelectorsInUse
}

/** The VirtualServices, with the routes of those that they delegate to: by host for sidecars, and by gateway. */
export class VirtualServiceTable {
  readonly objects: HostedKind<VirtualServiceSpec>
  readonly #watch: AnswerWatch
  readonly #clientSelectors: SelectorsInUse
  /** By the full names of gateways, which need not be there. */
  readonly #bound = new MultiMap<string, VirtualService>()
  readonly #serviceHosts = new WildcardIndex()
  #settings: DelegationSettings

  constructor({ localCluster, settings, watch, clientSelectors }: Start) {
    this.#settings = settings
    this.#watch = watch
    this.#clientSelectors = clientSelectors
    this.objects = new HostedKind({
      definition: virtualService,
      localCluster,
      order: 'age',
      toHosts: (spec) => (isForSidecars(spec.gateways) ? spec.hosts : []),
      domainSuffix: settings.domainSuffix,
      completion: {
        toNeeded: delegateKeys,
        complete: (root, find) => mergeDelegates(root, find, this.#settings),
      },
    })
  }

  object(key: string): VirtualService | undefined {
    return this.objects.effective(key)
  }

  /** Those that are bound to a gateway, oldest first. */
  boundTo(gateway: string): readonly VirtualService[] {
    return [...this.#bound.get(gateway)].sort(byAge)
  }

  /** The host names of services that a wildcard means, of those that these name; sorted. */
  serviceHostsUnder(wildcard: string): readonly string[] {
    return this.#serviceHosts.find(wildcard)
  }

  setServiceHost(host: string, exists: boolean): void {
    this.objects.setServiceHost(host, exists)
    this.#serviceHosts.setHost(host, exists)
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    this.#change(this.objects.dependents(key), () => this.objects.set(origin, key, object))
  }

  setSettings(settings: DelegationSettings): void {
    if (isEqualData(settings, this.#settings)) return
    this.#change(this.objects.keys(), () => {
      this.#settings = settings
      this.objects.reindex(settings.domainSuffix)
    })
  }

  /** Adds the keys of the reads by host that answer differently since the last time to `touched`. */
  settle(touched: Set<ViewKey>): void {
    const hosts = this.objects.hosts()
    for (const hostname of this.objects.settle()) touched.add(viewKeys.virtualServicesFor(hostname))
    if (this.objects.hosts() !== hosts) touched.add(viewKeys.routedHosts)
    for (const wildcard of this.#serviceHosts.settle(this.objects.hosts()))
      touched.add(viewKeys.serviceHostsUnder(wildcard))
  }

  /** Makes a change that may alter these, and takes note of what follows from it. */
  #change(keys: readonly string[], change: () => void): void {
    this.#watch.note(viewKeys.clientSelectors, () => this.#clientSelectors.all())
    for (const key of keys) this.#watch.note(viewKeys.virtualService(key), () => this.object(key))
    const before = keys.map((key) => ({ key, object: this.object(key) }))
    change()
    for (const { key, object } of before) {
      const after = this.object(key)
      this.#rebind(object, after)
      this.#clientSelectors.replace(
        key,
        object ? toSourceSelectors(object.spec) : [],
        after ? toSourceSelectors(after.spec) : [],
      )
    }
  }

  #rebind(before: VirtualService | undefined, after: VirtualService | undefined): void {
    for (const gateway of [...toGateways(before), ...toGateways(after)])
      this.#watch.note(viewKeys.virtualServicesOf(gateway), () => this.boundTo(gateway))
    if (before) for (const gateway of toGateways(before)) this.#bound.delete(gateway, before)
    if (after) for (const gateway of toGateways(after)) this.#bound.add(gateway, after)
  }
}

const toGateways = (object: VirtualService | undefined): readonly string[] => {
  if (!object) return []
  const { metadata, spec } = object
  const names = (spec.gateways ?? []).map((name) => resolveGatewayName(name, metadata.namespace))
  return [...new Set(names)].filter((name) => name !== meshGateway)
}
