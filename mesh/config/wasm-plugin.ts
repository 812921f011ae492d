import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { findRepeated } from './schema/find-repeated.ts'
import { checked, choice, message, optionalText, unsupported } from './schema/message.ts'
import { parseModuleUrl } from './schema/module-url.ts'
import { isOneTarget, policyTargetFields, warnOfTarget } from './schema/policy-target.ts'
import { secretName } from './schema/secret-name.ts'
import { toClosedTarget } from './schema/security-object.ts'

const variable = checked(
  message({
    name: z.string().min(1, 'is required').max(256),
    valueFrom: choice(['INLINE', 'HOST']).default('INLINE'),
    value: optionalText(z.string().max(2048)),
  }),
  ({ value, report }) => {
    if (value.valueFrom === 'HOST' && value.value !== undefined) report('is for valueFrom INLINE', ['value'])
  },
)

const variables = checked(z.array(variable).max(256).default([]), ({ value, report }) => {
  for (const index of findRepeated(value.map(({ name }) => name))) report('is there twice', [index, 'name'])
})

const trafficSelector = message({
  mode: choice(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']).default('UNDEFINED'),
  ports: z.array(message({ number: z.int().min(1).max(65_535) })).default([]),
})

const sha256 = z.string().regex(/^[a-f0-9]{64}$/, 'must be 64 of 0-9 and a-f')

/** A google.protobuf.Struct. */
const pluginConfig: z.ZodType<Readonly<Record<string, unknown>>> = z.looseObject({})

export const wasmPluginSpec = checked(
  message({
    ...policyTargetFields,
    url: checked(z.string().min(1, 'is required').max(2048), ({ value, report }) => {
      const place = value === '' ? undefined : parseModuleUrl(value)
      if (typeof place === 'string') report(place, [], value.startsWith('file://') ? { problem: 'unsupported' } : {})
    }),
    sha256: optionalText(sha256),
    imagePullPolicy: choice(['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']).default('UNSPECIFIED_POLICY'),
    /** Of the type `pullSecretType`, in the namespace of this object. */
    imagePullSecret: optionalText(secretName),
    verificationKey: unsupported('nobody verifies signatures of modules, nor does Istio: say the sha256'),
    pluginConfig: pluginConfig.optional(),
    pluginName: optionalText(z.string().max(256)),
    phase: choice(['UNSPECIFIED_PHASE', 'AUTHN', 'AUTHZ', 'STATS']).default('UNSPECIFIED_PHASE'),
    /** Larger ones first. */
    priority: z.int().min(-0x8000_0000).max(0x7fff_ffff).default(0),
    failStrategy: choice(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']).default('FAIL_CLOSE'),
    vmConfig: message({ env: variables }).optional(),
    match: z.array(trafficSelector).default([]),
    type: choice(['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']).default('UNSPECIFIED_PLUGIN_TYPE'),
  }),
  ({ value, sound, report }) => {
    if (!isOneTarget(value)) report('takes one of selector, targetRef, targetRefs')
    if (!sound || value.sha256 === undefined) return
    const place = parseModuleUrl(value.url)
    if (typeof place !== 'string' && place.kind === 'image' && (place.digest ?? value.sha256) !== value.sha256)
      report('is another digest than that of the url', ['sha256'])
  },
)
export type WasmPluginSpec = z.output<typeof wasmPluginSpec>

/** Istio reference: extensions/wasm-plugin. */
export const wasmPlugin: KindDefinition<WasmPluginSpec> = {
  group: 'extensions.istio.io',
  versions: ['v1alpha1'],
  kind: 'WasmPlugin',
  plural: 'wasmplugins',
  addsUp: true,
  schema: wasmPluginSpec,
  /** At the place where it was to be: nothing gets past it, unless it may fail. */
  closed: (spec) => ({ ...toClosedTarget(spec), ...readFate(spec), url: unknownModule }),
  check({ spec }, report) {
    warnOfTarget(spec, report)
    if (spec.failStrategy === 'FAIL_OPEN' && (spec.phase === 'AUTHN' || spec.phase === 'AUTHZ'))
      report(['spec', 'failStrategy'], 'lets everybody past a plugin that cannot be had or fails', {
        severity: 'warning',
      })
    if (/^https?:/i.test(spec.url) && spec.imagePullSecret !== undefined)
      report(['spec', 'imagePullSecret'], 'is for images alone: nobody signs in for what is at https:// or http://', {
        severity: 'warning',
      })
    if (/^http:/i.test(spec.url) && spec.sha256 === undefined)
      report(['spec', 'url'], 'is not encrypted: say the sha256, or whoever is on the way chooses what proxies run', {
        severity: 'warning',
      })
  },
}

/** What nobody can have. */
export const unknownModule = 'https://unknown.invalid/'

const fate = z.object({
  failStrategy: z.enum(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']).optional().catch(undefined),
  type: z.enum(['HTTP', 'NETWORK']).optional().catch(undefined),
})
const readFate = (spec: unknown): z.output<typeof fate> => fate.safeParse(spec).data ?? {}
