import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { message, optionalText, withoutEffect } from './schema/message.ts'

/** Istio reference: networking/proxy-config. */
export const proxyConfigSpec = message({
  /** Absent: every workload of the namespace. */
  selector: withoutEffect(matchLabelsSelector.optional()),
  concurrency: withoutEffect(z.int().min(0).max(0x7fff_ffff).optional()),
  environmentVariables: withoutEffect(z.record(z.string(), z.string().max(2048)).optional()),
  image: withoutEffect(message({ imageType: optionalText(z.string()) }).optional()),
})
type ProxyConfigSpec = z.output<typeof proxyConfigSpec>

export const proxyConfig: KindDefinition<ProxyConfigSpec> = {
  group: 'networking.istio.io',
  versions: ['v1beta1'],
  kind: 'ProxyConfig',
  plural: 'proxyconfigs',
  schema: proxyConfigSpec,
  check(_, report) {
    report(
      ['spec'],
      'nothing follows from it: a pod says its concurrency in the annotation proxy.istio.io/config, its image in sidecar.istio.io/proxyImage',
      { severity: 'warning' },
    )
  },
}
