import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import { gateway, type GatewaySpec } from '../config/gateway.ts'
import { meshGateway, resolveGatewayName } from '../config/schema/gateway-names.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import type { ClusterName } from '../names.ts'
import type { GatewaySelector } from '../view.ts'
import { viewKeys } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { byAge } from './by-age.ts'
import { MultiMap } from './multi-map.ts'
import { PrecedenceTable } from './precedence-table.ts'

type VirtualService = Configured<VirtualServiceSpec>

/** The Gateway objects, and the VirtualServices that are bound to them. */
export class GatewayTable {
  readonly objects: PrecedenceTable<GatewaySpec>
  readonly #watch: AnswerWatch
  /** By the full names of gateways, which need not be there. */
  readonly #bound = new MultiMap<string, VirtualService>()

  constructor(localCluster: ClusterName, watch: AnswerWatch) {
    this.objects = new PrecedenceTable(gateway, localCluster)
    this.#watch = watch
  }

  selectors(): readonly GatewaySelector[] {
    return [...this.objects.keys()]
      .flatMap((key) => this.objects.effective(key)?.object ?? [])
      .toSorted(byAge)
      .map(({ metadata, spec }) => ({
        gateway: `${metadata.namespace}/${metadata.name}`,
        selector: spec.selector ?? {},
      }))
  }

  object(name: string): Configured<GatewaySpec> | undefined {
    return this.objects.effective(`${gateway.kind}/${name}`)?.object
  }

  bound(name: string): readonly VirtualService[] {
    return [...this.#bound.get(name)].sort(byAge)
  }

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    const name = key.slice(gateway.kind.length + 1)
    this.#watch.note(viewKeys.gatewaySelectors, () => this.selectors())
    this.#watch.note(viewKeys.gatewayObject(name), () => this.object(name))
    this.objects.set(origin, key, object)
  }

  /** Takes note of what a VirtualService is bound to after a change, and before. */
  rebind(before: VirtualService | undefined, after: VirtualService | undefined): void {
    for (const name of [...toGateways(before), ...toGateways(after)])
      this.#watch.note(viewKeys.virtualServicesOf(name), () => this.bound(name))
    if (before) for (const name of toGateways(before)) this.#bound.delete(name, before)
    if (after) for (const name of toGateways(after)) this.#bound.add(name, after)
  }
}

const toGateways = (virtualService: VirtualService | undefined): readonly string[] => {
  if (!virtualService) return []
  const { metadata, spec } = virtualService
  const names = (spec.gateways ?? []).map((name) => resolveGatewayName(name, metadata.namespace))
  return [...new Set(names)].filter((name) => name !== meshGateway)
}
