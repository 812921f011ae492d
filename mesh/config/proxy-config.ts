import type { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { message } from './schema/message.ts'
import { concurrency, environmentVariables, onlyImage, proxyImage } from './schema/proxy-settings.ts'

/** Istio reference: networking/proxy-config. It holds for proxies that are injected from then on. */
const proxyConfigSpec = message({
  /** Absent: every workload of the namespace, in the root namespace of the mesh. */
  selector: matchLabelsSelector.optional(),
  concurrency: concurrency.optional(),
  environmentVariables: environmentVariables.optional(),
  image: proxyImage.optional(),
})
export type ProxyConfigSpec = z.output<typeof proxyConfigSpec>

export const proxyConfig: KindDefinition<ProxyConfigSpec> = {
  group: 'networking.istio.io',
  versions: ['v1beta1'],
  kind: 'ProxyConfig',
  plural: 'proxyconfigs',
  schema: proxyConfigSpec,
  check({ spec: { selector, image } }, report) {
    if ((image?.imageType ?? 'default') !== 'default')
      report(['spec', 'image', 'imageType'], onlyImage, { severity: 'warning' })
    if (selector && Object.keys(selector.matchLabels ?? {}).length === 0)
      report(['spec', 'selector'], 'selects no workload: without it, all of the namespace are meant', {
        severity: 'warning',
      })
  },
}
