import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { ownProvider } from './schema/extension-providers.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { checked, message } from './schema/message.ts'
import { isOneTarget, policyTargetFields, warnOfTarget } from './schema/policy-target.ts'
import { toClosedTarget } from './schema/security-object.ts'

const proxyExtensionSpec = checked(
  message({
    selector: matchLabelsSelector.optional(),
    targetRefs: policyTargetFields.targetRefs,
    /** An extension provider of the mesh's settings, which says who may name it. */
    provider: message({ name: z.string().min(1, 'is required') }),
  }),
  ({ value, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRefs')
  },
)
export type ProxyExtensionSpec = z.output<typeof proxyExtensionSpec>

/** What the proxies of workloads run on each request beside what Atoll has: a kind of Atoll's own (docs/extensions.md). */
export const proxyExtension: KindDefinition<ProxyExtensionSpec> = {
  group: 'policy.atoll.dev',
  versions: ['v1alpha1'],
  kind: 'ProxyExtension',
  plural: 'proxyextensions',
  addsUp: true,
  schema: proxyExtensionSpec,
  /** Nobody can define a provider of this name, and it runs nothing: so nothing gets in. */
  closed: (spec) => ({ ...toClosedTarget(spec), provider: { name: ownProvider } }),
  check({ spec }, report) {
    warnOfTarget(spec, report)
  },
}
