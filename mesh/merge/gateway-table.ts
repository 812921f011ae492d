import type { ConfigObject, Configured, Origin } from '../config-object.ts'
import { gateway, type GatewaySpec } from '../config/gateway.ts'
import type { ClusterName } from '../names.ts'
import type { GatewaySelector } from '../view.ts'
import { viewKeys } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { byAge } from './by-age.ts'
import { PrecedenceTable } from './precedence-table.ts'

/** The Gateway objects. */
export class GatewayTable {
  readonly objects: PrecedenceTable<GatewaySpec>
  readonly #watch: AnswerWatch

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

  set(origin: Origin, key: string, object: ConfigObject | null): void {
    const name = key.slice(gateway.kind.length + 1)
    this.#watch.note(viewKeys.gatewaySelectors, () => this.selectors())
    this.#watch.note(viewKeys.gatewayObject(name), () => this.object(name))
    this.objects.set(origin, key, object)
  }
}
